//! Writes the inputs that decoders accept to `DIRECTORY/NAME/`, for a fuzzer to begin with.

use std::path::PathBuf;
use std::process::ExitCode;

use holt_tests::decoders::DECODERS;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: corpus DIRECTORY");
        return ExitCode::from(2);
    };
    for decoder in DECODERS {
        let own = directory.join(decoder.name);
        let written = std::fs::create_dir_all(&own).and_then(|()| {
            let mut seeds = (decoder.seeds)().into_iter().enumerate();
            seeds.try_for_each(|(at, seed)| std::fs::write(own.join(format!("seed-{at:03}")), seed))
        });
        if let Err(error) = written {
            eprintln!("{}: {error}", own.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
