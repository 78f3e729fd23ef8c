//! Takes a committed corpus apart into the files that libFuzzer works with, and puts the files that
//! it left together again: `corpus unpack FILE DIR`, `corpus pack DIR FILE`.

mod lines;

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Error> {
    let told: Vec<String> = env::args().skip(1).collect();
    match told.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", file, dir] => unpack(Path::new(file), Path::new(dir)),
        ["pack", dir, file] => pack(Path::new(dir), Path::new(file)),
        _ => Err(Error::new(ErrorKind::InvalidInput, "corpus unpack FILE DIR | pack DIR FILE")),
    }
}

fn unpack(file: &Path, dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir)?;
    for (number, input) in lines::read(&fs::read_to_string(file)?).into_iter().enumerate() {
        fs::write(dir.join(format!("{number:05}")), input)?;
    }
    Ok(())
}

fn pack(dir: &Path, file: &Path) -> Result<(), Error> {
    let inputs = fs::read_dir(dir)?.map(|entry| fs::read(entry?.path()));
    fs::write(file, lines::write(inputs.collect::<Result<Vec<_>, _>>()?))
}
