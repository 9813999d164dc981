//! `ipvsadm-restore`: replaces the table by what standard input says, whole or not at all. Arguments are ignored, as by
//! the original.

use std::process::ExitCode;

use lvs_admin::ipvsadm;

fn main() -> ExitCode {
    ipvsadm::main(|_, world| ipvsadm::run_restore(world))
}
