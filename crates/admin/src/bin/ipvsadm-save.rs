//! `ipvsadm-save [-n]`: `ipvsadm -S [-n]`.

use std::process::ExitCode;

use lvs_admin::ipvsadm;

fn main() -> ExitCode {
    ipvsadm::main(ipvsadm::run_save)
}
