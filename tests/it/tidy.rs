//! House rules that a machine keeps: the shape of files, the arrows between crates, licences, and documents that name real files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

/// Which of our crates each crate may use. Who isn't named here uses none of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("migrations", &[]),
    ("simulators", &[]),
    ("event-store", &["migrations"]),
    ("projections", &["domain", "event-store"]),
    ("commands", &["domain", "event-store", "projections"]),
    ("api", &["domain", "event-store", "projections", "commands"]),
    ("replay-tool", &["domain", "event-store", "projections"]),
    ("verbatim", &["domain", "event-store", "projections", "commands", "api", "simulators"]),
    ("benches", &["domain", "event-store", "projections", "commands", "simulators"]),
    ("torture", &["event-store", "simulators"]),
    ("tests", &[]),
];

/// What would bring IO into the domain.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "sqlx", "actix-web", "reqwest", "cqrs-es", "postgres-es"];

const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// C toolchains and system libraries that a fresh machine lacks, and a licence in disguise.
const BANNED: &[&str] = &["openssl-sys", "aws-lc-sys", "native-tls", "actix-governor"];

const NAMELESS: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "misc"];

const LONGEST_FILE: usize = 500;

static METADATA: LazyLock<Value> = LazyLock::new(metadata);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// For this machine's platform only: cargo never downloads the crates of the others.
fn metadata() -> Value {
    let compiler = Command::new("rustc").arg("-vV").output().unwrap();
    let compiler = String::from_utf8(compiler.stdout).unwrap();
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages() -> impl Iterator<Item = &'static Value> {
    METADATA["packages"].as_array().unwrap().iter()
}

/// A package without a source is one of this workspace.
fn ours() -> impl Iterator<Item = &'static Value> {
    packages().filter(|package| package["source"].is_null())
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap()
}

fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![root().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let file_name = path.file_name().unwrap().to_string_lossy();
            let hidden = file_name.starts_with('.') || file_name.starts_with("target");
            if path.is_dir() && !hidden && path != root().join("data") {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 10, "only {} files found", files.len());
    files
}

/// All offenders at once, so that one run shows everything there is to tidy.
#[track_caller]
fn assert_none(what: &str, offenders: impl IntoIterator<Item = String>) {
    let offenders: BTreeSet<String> = offenders.into_iter().collect();
    let list: Vec<String> = offenders.into_iter().collect();
    assert!(list.is_empty(), "{what}:\n  {}", list.join("\n  "));
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let silent = rust_files().into_iter().filter(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.strip_prefix("//! ").is_none_or(|rest| rest.trim_start().is_empty())
    });
    assert_none("files that don't open with `//!`", silent.map(|path| shown(&path)));
}

/// A file that is compiled by itself, or named by the module above it.
fn is_compiled(path: &Path, roots: &BTreeSet<PathBuf>) -> bool {
    let (dir, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
    let beside = roots.iter().filter(|root| root.parent() == Some(dir)).cloned();
    let mut above = beside.chain([dir.with_extension("rs")]);
    let named = |text: String| text.lines().any(|line| line.ends_with(&format!("mod {stem};")));
    roots.contains(path) || above.any(|above| fs::read_to_string(above).is_ok_and(named))
}

#[test]
fn every_file_belongs_to_a_crate() {
    let targets = ours().flat_map(|package| package["targets"].as_array().unwrap());
    let roots = targets.map(|target| PathBuf::from(target["src_path"].as_str().unwrap())).collect();
    let fuzz = root().join("fuzz");
    let files = rust_files().into_iter().filter(|path| !path.starts_with(&fuzz));
    let forgotten = files.filter(|path| !is_compiled(path, &roots));
    assert_none("files that no module names", forgotten.map(|path| shown(&path)));
}

#[test]
fn every_file_is_short_enough_to_read() {
    let long = rust_files().into_iter().filter_map(|path| {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let counts = lines > LONGEST_FILE && !path.starts_with(root().join("tests"));
        counts.then(|| format!("{} has {lines} lines", shown(&path)))
    });
    assert_none("files to split", long);
}

#[test]
fn every_module_says_what_it_holds() {
    let nameless = rust_files().into_iter().filter(|path| {
        let stem = path.file_stem().unwrap().to_string_lossy();
        NAMELESS.contains(&stem.as_ref())
    });
    assert_none("modules named after nothing", nameless.map(|path| shown(&path)));
}

#[test]
fn crates_use_only_the_layers_below_them() {
    let members: BTreeSet<&str> = ours().map(name).collect();
    let mut wrong = Vec::new();
    for package in ours() {
        let user = name(package);
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == user) else {
            wrong.push(format!("{user} has no arrows in tests/it/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let (used, for_tests) = (name(dependency), dependency["kind"] == "dev");
            if members.contains(used) && !for_tests && !allowed.contains(&used) {
                wrong.push(format!("{user} uses {used}"));
            }
            if user == "domain" && NOT_IN_DOMAIN.contains(&used) {
                wrong.push(format!("domain uses {used}"));
            }
        }
    }
    assert_none("arrows that point the wrong way", wrong);
}

#[test]
fn every_crate_may_be_used_in_a_closed_product() {
    let foreign = packages().filter_map(|package| {
        let licence = package["license"].as_str().unwrap_or("unknown");
        (!is_allowed(licence)).then(|| format!("{}: {licence}", name(package)))
    });
    assert_none("licences outside the list", foreign);
}

#[test]
fn no_crate_needs_what_a_fresh_machine_lacks() {
    // The lock file names the crates of all platforms.
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let locked: BTreeSet<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    let found = BANNED.iter().filter(|banned| locked.contains(*banned));
    assert_none("banned crates", found.map(|banned| (*banned).to_owned()));
}

#[test]
fn a_licence_is_judged_by_what_its_expression_says() {
    for allowed in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    assert!(is_allowed("Apache-2.0 WITH LLVM-exception"));
    for refused in ["GPL-3.0-or-later", "MIT AND GPL-3.0", "(GPL-2.0 OR GPL-3.0) AND MIT", ""] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

/// Whether an SPDX expression can be met with the licences of the list alone.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words) -> bool {
    let mut met = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words);
    }
    met
}

fn all_of(words: &mut Words) -> bool {
    let mut met = one(words);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words);
    }
    met
}

fn one(words: &mut Words) -> bool {
    match words.next() {
        Some("(") => any_of(words) & (words.next() == Some(")")),
        Some(licence) => {
            if words.next_if_eq(&"WITH").is_some() {
                words.next(); // an exception only ever permits more
            }
            LICENCES.contains(&licence)
        }
        None => false,
    }
}

#[test]
fn documents_name_files_that_exist() {
    let mut missing = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap_or_else(|error| {
            panic!("{document}: {error}");
        });
        let dangling = paths_in(&text).into_iter().filter(|path| !root().join(path).exists());
        missing.extend(dangling.map(|path| format!("{document}: {path}")));
    }
    assert_none("paths that lead nowhere", missing);
}

#[test]
fn a_document_names_a_path_in_backticks() {
    let text = "Run `./dev demo`, read `domain/src/lib.rs` and `docs/adr/`, call `GET /v1/inbox` or \
                `/health` as `application/json`, see `docs/adr/NNNN-….md`, `./data`.\n\
                ```\nleft/alone.rs `left/alone.rs`\n```\n";
    assert_eq!(paths_in(text), ["./dev", "domain/src/lib.rs", "docs/adr/"]);
}

fn paths_in(markdown: &str) -> Vec<String> {
    let prose = markdown.split("```").step_by(2);
    let spans = prose.flat_map(|text| text.split('`').skip(1).step_by(2));
    let words = spans.filter_map(|span| span.split_whitespace().next());
    words.filter(|word| is_path(word)).map(str::to_owned).collect()
}

/// Routes, media types, patterns and what only exists at run time have slashes too.
fn is_path(word: &str) -> bool {
    let Some((first, rest)) = word.trim_start_matches("./").split_once('/') else {
        return word.starts_with("./") && word != "./data";
    };
    let pattern = word.chars().any(|c| "<>{}*$…|:?=".contains(c));
    let at_run_time = matches!(first, "data" | "target" | "~" | "" | "..");
    let like_a_file = rest.is_empty() || word.ends_with('/') || rest.contains('.');
    !pattern && !at_run_time && (like_a_file || root().join(first).exists())
}
