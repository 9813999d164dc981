//! `-R`: lines from standard input, each a command line.
//!
//! A departure from the original, which goes on after a refused line and keeps what it did before an error: here all
//! lines are read and checked first and then sent as one batch, which the director applies whole or not at all.
//! Listings among the lines are printed after that.

use lvs_model::Command;

use super::check::{Action, check};
use super::complaint::Complaint;
use super::option::Verb;
use super::parse::{Parsed, parse};
use crate::names::Names;

/// What the lines ask for.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The changes, in order.
    pub(super) commands: Vec<Command>,
    /// Of each command: its verb and its line, counted from 1.
    pub(super) origins: Vec<(Verb, usize)>,
    /// What is to be printed afterwards.
    pub(super) outputs: Vec<Output>,
}

/// Something to print.
#[derive(Debug)]
pub(super) enum Output {
    Action(Action),
    Help,
    Version,
}

/// Reads all lines; the first one that is wrong is complained about by its number.
pub(super) fn read(text: &str, names: &dyn Names) -> Result<Batch, Complaint> {
    let mut batch = Batch::default();
    for (index, line) in text.split('\n').enumerate() {
        let words: Vec<String> = line
            .split([' ', '\t', '\r'])
            .filter(|word| !word.is_empty() && *word != "ipvsadm")
            .map(str::to_owned)
            .collect();
        if words.is_empty() {
            continue;
        }
        let number = index + 1;
        let parsed = parse(&words, names).map_err(|complaint| at_line(complaint, number))?;
        let request = match parsed {
            Parsed::Request(request) => request,
            // The original prints and ends here, whatever follows.
            Parsed::Help => {
                batch.outputs.push(Output::Help);
                break;
            }
            Parsed::Version => {
                batch.outputs.push(Output::Version);
                break;
            }
        };
        match check(&request).map_err(|complaint| at_line(complaint, number))? {
            Action::Change(verb, command) => {
                batch.commands.push(command);
                batch.origins.push((verb, number));
            }
            Action::Restore => return Err(at_line(Complaint::try_help(), number)),
            action => batch.outputs.push(Output::Action(action)),
        }
    }
    Ok(batch)
}

/// Adds the line and what it means for the others.
pub(super) fn at_line(mut complaint: Complaint, number: usize) -> Complaint {
    complaint.text.push_str(&format!("\nipvsadm: line {number} is refused, so nothing was changed"));
    complaint
}
