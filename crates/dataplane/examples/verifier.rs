//! Loads every program of an object and prints what the verifier counted, or its log: the developer's first look after
//! a change. `cargo run -p lvs-dataplane --example verifier [OBJECT]`, as root.
use aya::{
    EbpfLoader, VerifierLogLevel,
    programs::{Program, SchedClassifier, Xdp},
};

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "crates/dataplane/bpf/lvs.o".into());
    let bytes = std::fs::read(&path).expect("object file");
    let mut failed = false;
    for name in ["lvs_xdp", "lvs_tc_ingress", "lvs_tc_egress", "lvs_decap"] {
        let mut object = EbpfLoader::new()
            .verifier_log_level(if std::env::var_os("VERBOSE").is_some() {
                VerifierLogLevel::VERBOSE | VerifierLogLevel::STATS
            } else {
                VerifierLogLevel::STATS
            })
            .map_max_entries("SLOTS", 1024)
            .load(&bytes)
            .expect("object");
        let started = std::time::Instant::now();
        let loaded = match object.program_mut(name) {
            Some(Program::Xdp(program)) => {
                let program: &mut Xdp = program;
                program.load().map(|()| program.info())
            }
            Some(Program::SchedClassifier(program)) => {
                let program: &mut SchedClassifier = program;
                program.load().map(|()| program.info())
            }
            _ => {
                println!("{name}: not in {path}");
                failed = true;
                continue;
            }
        };
        match loaded {
            Ok(Ok(info)) => println!(
                "{name}: verified {} instructions, translated {} bytes, jited {} bytes, {} ms",
                info.verified_instruction_count().unwrap_or(0),
                info.size_translated().unwrap_or(0),
                info.size_jitted(),
                started.elapsed().as_millis()
            ),
            Ok(Err(error)) => println!("{name}: loaded, no info: {error}"),
            Err(error) => {
                failed = true;
                let text = format!("{error:?}").replace("\\n", "\n");
                let lines: Vec<&str> = text.lines().collect();
                println!("{name}: refused after {} ms", started.elapsed().as_millis());
                for line in &lines[lines.len().saturating_sub(120)..] {
                    println!("  {line}");
                }
            }
        }
    }
    std::process::exit(i32::from(failed));
}
