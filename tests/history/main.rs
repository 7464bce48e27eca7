//! `forebay-history FILE...` judges histories that were kept as text, one operation per line.
//!
//! It prints each fault and what there was to judge, and ends with 0 when there is no fault, with
//! 1 when there is one, and with 2 when a file is no history.

use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: forebay-history FILE...");
        return ExitCode::from(2);
    }
    let mut worst = 0;
    for file in files {
        worst = worst.max(judge(&file));
    }
    ExitCode::from(worst)
}

fn judge(file: &str) -> u8 {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let history = text.and_then(|text| {
        let history = history::parse_lines(&text);
        history.map_err(|error| error.to_string())
    });
    match history {
        Err(error) => {
            eprintln!("{file}: {error}");
            2
        }
        Ok(history) => {
            let verdict = history::check(&history);
            println!("{file}:\n{verdict}");
            u8::from(!verdict.anomalies.is_empty())
        }
    }
}
