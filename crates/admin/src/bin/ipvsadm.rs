//! `ipvsadm`, asking `lvsd`.

use std::process::ExitCode;

use lvs_admin::ipvsadm;

fn main() -> ExitCode {
    ipvsadm::main(ipvsadm::run)
}
