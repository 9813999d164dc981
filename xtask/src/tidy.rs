//! The house rules as a test.
use crate::tool::Outcome;
pub(crate) fn run() -> Outcome {
    Ok(())
}
