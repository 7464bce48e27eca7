//! The node's own log: one line per thing that an operator wants to know, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Which lines are written, unless the environment says otherwise.
const DEFAULT_FILTER: &str = "info";
/// The variable that says otherwise, in tracing's own syntax.
const FILTER_VARIABLE: &str = "FOREBAY_LOG";

/// Starts the log, as text or as one JSON object per line.
pub(super) fn start(json: bool) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE)
        .unwrap_or_else(|_unset_or_wrong| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that nobody reads any more must not stop the node.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if json {
        builder.json().flatten_event(true).init();
    } else {
        builder.init();
    }
}
