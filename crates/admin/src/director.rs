//! The director as these tools see it: `lvsd` on its socket, or a test's stand-in.

use lvs_model::api::{
    AttachRequest, ErrorAnswer, ExplainRequest, Explanation, Interface, Interfaces, Status, Totals,
};
use lvs_model::listing::{ConnectionRow, Listing};
use lvs_model::{Command, Timeouts};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The director answered that it will not.
    Refused(ErrorAnswer),
    /// There is no director to talk to; the system's error number where there is one.
    Unreachable {
        /// What went wrong.
        text: String,
        /// The system's error number.
        errno: Option<i32>,
    },
    /// What came back is no answer of ours.
    Garbled(String),
}

/// What can be asked of the director. Each call is one request.
pub trait Director {
    /// Applies all commands or none.
    fn apply(&mut self, commands: &[Command]) -> Result<(), Failure>;
    /// Services, real servers and their counters.
    fn listing(&mut self) -> Result<Listing, Failure>;
    /// Hands out the connections one by one.
    fn connections(&mut self, each: &mut dyn FnMut(ConnectionRow)) -> Result<(), Failure>;
    /// The timeouts.
    fn timeouts(&mut self) -> Result<Timeouts, Failure>;
    /// Total statistics and rates.
    fn totals(&mut self) -> Result<Totals, Failure>;
    /// How the director is.
    fn status(&mut self) -> Result<Status, Failure>;
    /// The attached interfaces.
    fn interfaces(&mut self) -> Result<Interfaces, Failure>;
    /// Attaches to an interface.
    fn attach(&mut self, request: &AttachRequest) -> Result<Interface, Failure>;
    /// Detaches from an interface.
    fn detach(&mut self, name: &str) -> Result<(), Failure>;
    /// Tells where a packet would go.
    fn explain(&mut self, request: &ExplainRequest) -> Result<Explanation, Failure>;
}
