//! Tasks of the repository that are more than one cargo command.

mod tools;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run -p holt-xtask -- TASK [OPTIONS]

tasks:
  web     build the JavaScript package; run its suites in Node and headless Chromium
            --no-browser   leave the browser out
            --no-figures   do not measure
            --size         shrink the modules with npm's binaryen";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, options) = match arguments.split_first() {
        Some((task, options)) => (task.as_str(), options),
        None => ("", [].as_slice()),
    };
    let done = match task {
        "web" => web_options(options).map(web::run),
        _ => Err(USAGE.to_string()),
    };
    match done {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        Err(usage) => {
            eprintln!("{usage}");
            ExitCode::from(2)
        }
    }
}

fn web_options(arguments: &[String]) -> Result<web::Options, String> {
    let mut options = web::Options::default();
    for argument in arguments {
        match argument.as_str() {
            "--no-browser" => options.browser = false,
            "--no-figures" => options.figures = false,
            "--size" => options.size = true,
            other => return Err(format!("web does not know {other}\n{USAGE}")),
        }
    }
    Ok(options)
}
