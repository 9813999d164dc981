//! Builds the eBPF object, strips it and refuses what could not load.
//!
//! The object is committed beside the versions of the tools that made it (`TOOLCHAIN`), so that plain stable Rust builds
//! everything. With the same tools the build gives the same bits in every folder; `verify` holds us to that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::tool::{self, Outcome};

const TARGET: &str = "bpfel-unknown-none";
/// Debian's compiler comes with a prebuilt `core` for BPF (package libstd-rust-web-dev-bpf).
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Set for the compiler wrapper that this very program is during the build.
const WRAPPER_VARIABLE: &str = "LVS_XTASK_RUSTC_WRAPPER";

/// cpu v3 is the newest that kernel 6.1 takes; misaligned access joins the halves of header fields that lie at odd
/// places; the linker turns debug information into BTF.
const RUSTFLAGS: [&str; 5] = [
    "-Clinker=bpf-linker",
    "-Ctarget-cpu=v3",
    "-Ctarget-feature=+allows-misaligned-mem-access",
    "-Cdebuginfo=2",
    "-Clink-arg=--btf",
];

/// Which compiler can build for BPF here.
enum Compiler {
    /// Debian's, with a prebuilt core.
    Debian,
    /// rustup's nightly, which builds core from rust-src.
    Nightly,
}

/// An object: where its sources lie, what its binary is called, and where it is committed.
pub(crate) struct Source {
    folder: &'static str,
    binary: &'static str,
    committed: &'static str,
}

/// The data plane, embedded by `lvs-dataplane`.
pub(crate) const DATA_PLANE: Source =
    Source { folder: "crates/ebpf", binary: "lvs", committed: "crates/dataplane/bpf" };
/// What feeds and counts in the benchmarks, embedded by `lvs-bench`.
pub(crate) const BENCH: Source = Source { folder: "bench/ebpf", binary: "pump", committed: "bench/bpf" };

impl Source {
    fn committed_folder(&self) -> PathBuf {
        tool::root().join(self.committed)
    }

    fn object_name(&self) -> String {
        format!("{}.o", self.binary)
    }
}

/// `cargo xtask ebpf`: build, gate, and place where it is embedded.
pub(crate) fn build(source: &Source) -> Outcome {
    let (compiler, strip) = tools()?;
    let object = compile(&compiler, &strip, source)?;
    let folder = source.committed_folder();
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    write_if_new(&folder.join(source.object_name()), &object)?;
    write_if_new(&folder.join("TOOLCHAIN"), toolchain(&compiler).as_bytes())?;
    println!("ebpf: {}/{}, {} bytes", source.committed, source.object_name(), object.len());
    Ok(())
}

/// `cargo xtask ebpf --verify`: the committed object is what the sources give. With other tools than the recorded ones
/// the bits may differ, so the comparison is skipped and said to be.
pub(crate) fn verify() -> Outcome {
    let Ok((compiler, strip)) = tools() else {
        println!("ebpf: skipped, not verified: no compiler for BPF here (scripts/setup)");
        return Ok(());
    };
    let folder = DATA_PLANE.committed_folder();
    let committed = fs::read(folder.join("lvs.o"))
        .map_err(|error| format!("crates/dataplane/bpf/lvs.o: {error}; run: cargo xtask ebpf"))?;
    let recorded = fs::read_to_string(folder.join("TOOLCHAIN")).unwrap_or_default();
    let object = compile(&compiler, &strip, &DATA_PLANE)?;
    let here = toolchain(&compiler);
    if recorded != here {
        println!(
            "ebpf: built; comparison skipped, since the tools differ\nrecorded:\n{recorded}here:\n{here}"
        );
        return Ok(());
    }
    if object != committed {
        return Err(
            "ebpf: crates/dataplane/bpf/lvs.o is not what the sources give; run: cargo xtask ebpf".into()
        );
    }
    println!("ebpf: the committed object equals a build of the sources, {} bytes", object.len());
    Ok(())
}

/// When cargo calls this program in rustc's place: calls rustc, with crate identities of our own for our crates.
/// Cargo derives them from the absolute paths of crates outside the workspace, and they are part of symbols; without
/// this the object would differ from folder to folder.
pub(crate) fn as_rustc_wrapper() -> Option<ExitCode> {
    std::env::var_os(WRAPPER_VARIABLE)?;
    let mut words = std::env::args_os().skip(1);
    let compiler = words.next()?;
    let mut words: Vec<_> = words.collect();
    let name = words.iter().skip_while(|word| *word != "--crate-name").nth(1).cloned().unwrap_or_default();
    if name == "lvs" || name.to_string_lossy().starts_with("lvs_") {
        for word in words.iter_mut().filter(|word| word.to_string_lossy().starts_with("metadata=")) {
            *word = "metadata=".into();
            word.push(&name);
        }
    }
    let status = Command::new(compiler).args(words).status().ok()?;
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tools() -> Result<(Compiler, PathBuf), String> {
    let compiler = find_compiler()
        .ok_or("no compiler for BPF: neither Debian's libstd-rust-web-dev-bpf nor rustup's nightly with rust-src (scripts/setup)")?;
    tool::find(&["bpf-linker"]).ok_or("bpf-linker not found (scripts/setup)")?;
    let strip =
        tool::find(&["llvm-objcopy-22", "llvm-objcopy"]).ok_or("llvm-objcopy not found (scripts/setup)")?;
    Ok((compiler, strip))
}

fn find_compiler() -> Option<Compiler> {
    let library =
        tool::output_of(Command::new(DEBIAN_RUSTC).args(["--print", "target-libdir", "--target", TARGET]));
    if library.is_some_and(|folder| Path::new(&folder).is_dir()) {
        return Some(Compiler::Debian);
    }
    let nightly = tool::output_of(Command::new("rustc").args(["+nightly", "--print", "sysroot"]))?;
    Path::new(&nightly).join("lib/rustlib/src/rust/library").is_dir().then_some(Compiler::Nightly)
}

/// The stripped object, after the gate.
fn compile(compiler: &Compiler, strip: &Path, source: &Source) -> Result<Vec<u8>, String> {
    let target = tool::target_folder().join("bpf");
    let mut cargo = cargo_for(compiler, &target, source)?;
    let output = cargo.stderr(Stdio::piped()).output().map_err(|error| format!("cargo: {error}"))?;
    print_without_noise(&String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("ebpf: the build failed: {}", output.status));
    }
    let linked = target.join(TARGET).join("release").join(source.binary);
    let stripped = target.join(source.object_name());
    tool::run(Command::new(strip).arg("--strip-debug").args([&linked, &stripped]))?;
    no_panics(&stripped, strip)?;
    fs::read(&stripped).map_err(|error| format!("{}: {error}", stripped.display()))
}

fn cargo_for(compiler: &Compiler, target: &Path, source: &Source) -> Result<Command, String> {
    let wrapper = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let mut cargo = match compiler {
        Compiler::Debian => {
            let mut cargo = tool::cargo();
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").arg("build");
            cargo
        }
        Compiler::Nightly => {
            // By rustup's proxy, not by the toolchain that runs us.
            let mut cargo = Command::new("cargo");
            cargo.env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN").args([
                "+nightly",
                "build",
                "-Zbuild-std=core",
            ]);
            cargo
        }
    };
    cargo
        .current_dir(tool::root().join(source.folder))
        .args(["--quiet", "--release", "--target", TARGET, "--target-dir"])
        .arg(target)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(target))
        .env("RUSTC_WRAPPER", wrapper)
        .env(WRAPPER_VARIABLE, "1");
    if tool::root().join(source.folder).join("Cargo.lock").is_file() {
        cargo.arg("--locked");
    }
    Ok(cargo)
}

/// With paths of this machine taken out, since they end up in the object's debug information and hashes.
fn rustflags(target: &Path) -> String {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags: Vec<String> = RUSTFLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    // The last match wins in rustc: the wide prefix first.
    flags.push(remap(tool::root(), "lvs"));
    flags.push(remap(target, "target"));
    let sources = tool::cargo_home().join("registry/src");
    for registry in fs::read_dir(&sources).into_iter().flatten().flatten() {
        flags.push(remap(&registry.path(), "registry"));
    }
    flags.join("\u{1f}")
}

/// A reachable panic becomes a function that does not return, and the verifier refuses the object without a word on
/// where. The symbol says where.
fn no_panics(object: &Path, strip: &Path) -> Outcome {
    let names = strip
        .with_file_name(strip.file_name().unwrap_or_default().to_string_lossy().replace("objcopy", "nm"));
    let symbols = tool::output_of(Command::new(&names).arg("--demangle").arg(object))
        .ok_or_else(|| format!("{} failed", names.display()))?;
    let panics: Vec<&str> = symbols.lines().filter(|line| line.contains("panicking")).collect();
    if panics.is_empty() {
        return Ok(());
    }
    Err(format!("ebpf: a panic is reachable (index, slice, division by a variable):\n{}", panics.join("\n")))
}

/// rustc warns in every crate that allows-misaligned-mem-access is a feature of its own; we know.
fn print_without_noise(text: &str) {
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        if !paragraph.contains("allows-misaligned-mem-access") && !paragraph.contains("generated 1 warning") {
            eprintln!("{paragraph}\n");
        }
    }
}

/// The versions that decide the object's bits.
fn toolchain(compiler: &Compiler) -> String {
    let (compiler_words, kind) = match compiler {
        Compiler::Debian => (vec![DEBIAN_RUSTC], "core prebuilt"),
        Compiler::Nightly => (vec!["rustc", "+nightly"], "core from rust-src"),
    };
    let rustc = tool::output_of(Command::new(compiler_words[0]).args(&compiler_words[1..]).arg("-vV"))
        .unwrap_or_default();
    let llvm = rustc.lines().find(|line| line.starts_with("LLVM version")).unwrap_or_default().to_owned();
    let linker = tool::find(&["bpf-linker"])
        .and_then(|linker| tool::output_of(Command::new(linker).arg("--version")))
        .unwrap_or_default();
    let linker_llvm = tool::find(&["llvm-config-22"])
        .and_then(|config| tool::output_of(Command::new(config).arg("--version")))
        .unwrap_or_else(|| "unknown".to_owned());
    format!(
        "{}, {kind}\n{llvm}\n{linker}, LLVM {linker_llvm}\n{}\n",
        rustc.lines().next().unwrap_or_default(),
        RUSTFLAGS.join(" ")
    )
}

/// Leaves an equal file alone, so that nothing is rebuilt because of its date.
fn write_if_new(file: &Path, content: &[u8]) -> Outcome {
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(file, content).map_err(|error| format!("{}: {error}", file.display()))
}
