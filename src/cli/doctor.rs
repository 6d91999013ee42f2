//! `doctor`: what keeps the pair from working, with the fix. Changes nothing.
//!
//! Owns how it is told; what is found is judged by `crate::doctor`.

use crate::cli::args::{DoctorArgs, Place};
use crate::cli::instance::converse;
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Me, me, understand};
use crate::cli::terminal::{Tone, paint, print, stderr_colour, stdout_colour};
use crate::config::Colour;
use crate::doctor::{Report, Severity, examine};
use crate::shell::inspect::{Inspection, gather};

/// Gathers, judges and tells.
///
/// # Errors
/// 2 when the configuration is wrong, or does not name this host.
pub fn run(place: &Place, args: &DoctorArgs) -> Result<Exit, Failure> {
    let understood = understand(&place.config, stderr_colour())?;
    let config = &understood.config;
    let node = match me(config, place)? {
        Me::Node(node) => node,
        Me::Nobody { host } => {
            let names: Vec<&str> = config.nodes.iter().map(|n| n.name.as_str()).collect();
            let message =
                format!("this host ({host}) is none of the nodes: say --node with one of {}", names.join(", "));
            return Err(Failure::new(Exit::Configuration, message));
        }
    };
    let inspection = Inspection {
        config,
        node: &node,
        runtime_dir: place.runtime().to_owned(),
        listen: args.listen,
        probe: args.probe,
    };
    let facts = converse(async { Ok(gather(&inspection).await) })?;
    let report = examine(config, &node, &facts);
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(|e| Failure::new(Exit::Unhealthy, e))?;
        print(&format!("{json}\n"));
    } else {
        print(&human(&report, stdout_colour()));
    }
    Ok(if report.has_error() { Exit::Unhealthy } else { Exit::Fine })
}

/// The findings, worst first, then what could not be looked at, then the count.
pub fn human(report: &Report, colour: Colour) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let (word, tone) = match finding.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Idle),
            Severity::Note => ("note", Tone::Strong),
        };
        let id = paint(&format!("[{}]", finding.id), Tone::Faint, colour);
        out.push_str(&format!("{} {id} {}\n", paint(word, tone, colour), finding.what));
        out.push_str(&format!("  why: {}\n  fix: {}\n\n", finding.why, finding.fix));
    }
    if !report.unchecked.is_empty() {
        out.push_str(&format!("{}\n", paint("not checked", Tone::Strong, colour)));
        for one in &report.unchecked {
            out.push_str(&format!("  {}: {}\n", one.check, one.why));
        }
        out.push('\n');
    }
    let (checks, findings) = (report.checked.len(), report.findings.len());
    let plural = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    out.push_str(&format!("checked: {}\n", report.checked.join(", ")));
    let not = report.unchecked.len();
    out.push_str(&format!("{}, {}; {not} not checked\n", plural(checks, "check"), plural(findings, "finding")));
    out
}
