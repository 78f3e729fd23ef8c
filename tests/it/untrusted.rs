//! Whatever comes from strangers: all inputs that `./dev fuzz` kept, arbitrary bytes, and kept inputs
//! that somebody tampered with, through the readers that they are for.

#[path = "../../fuzz/src/lines.rs"]
mod lines;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

/// A reader, its name, and the inputs that were kept for it.
struct Parser {
    name: &'static str,
    read: fn(&[u8]),
    seeds: Vec<Vec<u8>>,
}

static PARSERS: LazyLock<Vec<Parser>> = LazyLock::new(|| {
    let crates = [
        api::untrusted::PARSERS,
        commands::untrusted::PARSERS,
        domain::untrusted::PARSERS,
        event_store::untrusted::PARSERS,
        projections::untrusted::PARSERS,
        replay_tool::untrusted::PARSERS,
    ];
    let parser = |(name, read): &(&'static str, fn(&[u8]))| {
        let corpus = fs::read_to_string(fuzz().join(format!("corpus/{name}.txt"))).unwrap();
        Parser { name, read: *read, seeds: lines::read(&corpus) }
    };
    crates.into_iter().flatten().map(parser).collect()
});

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz")
}

#[test]
fn every_reader_of_strangers_bytes_is_fuzzed_and_nothing_else_is() {
    let stems = |dir: &str| -> BTreeSet<String> {
        let files = fs::read_dir(fuzz().join(dir)).unwrap().map(|file| file.unwrap().path());
        files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let readers: BTreeSet<String> = PARSERS.iter().map(|parser| parser.name.to_owned()).collect();
    assert_eq!(stems("fuzz_targets"), readers);
    assert_eq!(stems("corpus"), readers);
}

#[test]
fn what_was_kept_is_read_without_harm() {
    for Parser { name, read, seeds } in PARSERS.iter() {
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in seeds {
            let survived = catch_unwind(|| read(seed)).is_ok();
            assert!(survived, "{name} fails at {}", seed.escape_ascii());
        }
    }
}

#[test]
fn a_corpus_is_read_as_it_was_written() {
    for Parser { name, seeds, .. } in PARSERS.iter() {
        let corpus = fs::read_to_string(fuzz().join(format!("corpus/{name}.txt"))).unwrap();
        assert_eq!(lines::write(seeds.clone()), corpus, "{name}");
    }
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(lines::read(&lines::write([bytes.clone()])), [bytes]);
}

/// What somebody does to bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, u8),
    /// Cuts off the end.
    Cut(Index),
    /// Says a part of it again, some times.
    Repeat(Index, Index, usize),
    /// Ends as another one does.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    let at = any::<Index>;
    prop_oneof![
        (at(), 1..=255u8).prop_map(|(at, bits)| Flip(at, bits)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Insert(at, byte)),
        at().prop_map(Cut),
        (at(), at(), 1..40usize).prop_map(|(from, to, times)| Repeat(from, to, times)),
        (at(), at(), at()).prop_map(|(other, from, at)| Splice(other, from, at)),
    ]
}

impl Change {
    fn of(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Change::Flip(at, bits) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Change::Flip(..) => {}
            Change::Insert(at, byte) => bytes.insert(place(at, bytes), *byte),
            Change::Cut(at) => bytes.truncate(place(at, bytes)),
            Change::Repeat(from, to, times) => {
                let (from, to) = (place(from, bytes), place(to, bytes));
                let part = bytes[from.min(to)..from.max(to)].repeat(*times);
                bytes.splice(from.max(to)..from.max(to), part);
            }
            Change::Splice(other, from, at) => {
                let other = other.get(seeds);
                bytes.truncate(place(at, bytes));
                bytes.extend(&other[place(from, other)..]);
            }
        }
    }
}

fn survives(parser: &Parser, bytes: &[u8]) -> Result<(), TestCaseError> {
    let survived = catch_unwind(|| (parser.read)(bytes)).is_ok();
    prop_assert!(survived, "{} fails at {}", parser.name, bytes.escape_ascii());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_without_harm(
        bytes in prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)],
    ) {
        for parser in PARSERS.iter() {
            survives(parser, &bytes)?;
        }
    }

    #[test]
    fn what_was_tampered_with_is_read_without_harm(
        parser in 0..PARSERS.len(),
        seed in any::<Index>(),
        changes in prop::collection::vec(change(), 1..8),
    ) {
        let parser = &PARSERS[parser];
        let mut bytes = seed.get(&parser.seeds).clone();
        for change in &changes {
            change.of(&mut bytes, &parser.seeds);
        }
        survives(parser, &bytes)?;
    }
}
