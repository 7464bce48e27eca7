//! Clocks, CPU accounting, medians and the report every probe returns.
//!
//! Invariants: variants of one comparison run in turn (A B C A B C ...), each figure is the median
//! over all rounds, and the number of rounds is part of the report.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

use crate::Options;
use crate::sys;

/// Named figures of one run of one variant.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// One way of doing the thing that is measured.
pub(crate) struct Variant<'a> {
    name: String,
    run: Box<dyn FnMut() -> io::Result<Figures> + 'a>,
}

impl<'a> Variant<'a> {
    /// A variant whose every call measures one round.
    pub(crate) fn new(
        name: impl Into<String>,
        run: impl FnMut() -> io::Result<Figures> + 'a,
    ) -> Variant<'a> {
        Variant {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Medians per variant, in the order in which the variants were given.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    rounds: usize,
    figures: Figures,
}

impl Report {
    /// A table for people, or one JSON object per line for programs.
    pub(crate) fn render(&self, json: bool) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let written = if json {
                row.write_json(&mut text)
            } else {
                row.write_line(&mut text)
            };
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
        text
    }
}

impl Row {
    fn write_line(&self, text: &mut String) -> std::fmt::Result {
        write!(text, "{:<44}", self.name)?;
        for (label, value) in &self.figures {
            write!(text, " {label} {}", short(*value))?;
        }
        writeln!(text, " rounds {}", self.rounds)
    }

    fn write_json(&self, text: &mut String) -> std::fmt::Result {
        let name = self.name.replace(['"', '\\'], "'");
        write!(text, "{{\"variant\":\"{name}\",\"rounds\":{}", self.rounds)?;
        for (label, value) in &self.figures {
            write!(text, ",\"{label}\":{value}")?;
        }
        writeln!(text, "}}")
    }
}

fn short(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// Runs all variants in turn until the budget is spent, at least three rounds, and takes medians.
pub(crate) fn interleave(options: &Options, mut variants: Vec<Variant<'_>>) -> io::Result<Report> {
    variants.retain(|variant| variant.name.contains(&options.only));
    let started = Instant::now();
    let mut samples: Vec<Vec<Figures>> = variants.iter().map(|_| Vec::new()).collect();
    let mut rounds = 0;
    while rounds < 3 || started.elapsed() < options.budget {
        for (variant, taken) in variants.iter_mut().zip(&mut samples) {
            taken.push((variant.run)()?);
        }
        rounds += 1;
    }
    let rows = variants
        .into_iter()
        .zip(samples)
        .map(|(variant, taken)| Row {
            name: variant.name,
            rounds,
            figures: medians(&taken),
        });
    Ok(Report {
        rows: rows.collect(),
    })
}

fn medians(samples: &[Figures]) -> Figures {
    let labels = samples.first().into_iter().flatten();
    labels
        .enumerate()
        .map(|(column, (label, _))| {
            let column = samples.iter().filter_map(|sample| sample.get(column));
            (*label, percentile(column.map(|(_, v)| *v).collect(), 0.5))
        })
        .collect()
}

/// The value below which the given share of the samples lies.
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// Wall time and CPU time since it was started.
pub(crate) struct Stopwatch {
    wall: Instant,
    process: Duration,
    thread: Duration,
}

/// What a stopwatch saw.
pub(crate) struct Lap {
    /// Elapsed wall time in seconds.
    pub(crate) wall: f64,
    /// CPU seconds of the whole process, kernel workers of its rings included.
    pub(crate) process: f64,
    /// CPU seconds of the calling thread alone.
    pub(crate) thread: f64,
}

impl Stopwatch {
    /// Starts counting.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch {
            process: sys::cpu_time(libc::RUSAGE_SELF),
            thread: sys::cpu_time(libc::RUSAGE_THREAD),
            wall: Instant::now(),
        }
    }

    /// What was spent since the start.
    pub(crate) fn lap(&self) -> Lap {
        let wall = self.wall.elapsed().as_secs_f64();
        let process = sys::cpu_time(libc::RUSAGE_SELF).saturating_sub(self.process);
        let thread = sys::cpu_time(libc::RUSAGE_THREAD).saturating_sub(self.thread);
        Lap {
            wall,
            process: process.as_secs_f64(),
            thread: thread.as_secs_f64(),
        }
    }
}

/// Bytes in one GiB, for rates.
pub(crate) const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
