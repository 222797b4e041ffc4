//! Sets `cfg(avx512)` where the compiler has the intrinsics of AVX-512: they are stable from Rust 1.89 on.

use std::env;
use std::process::Command;

const FIRST: u32 = 89;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(avx512)");
    if minor_version().is_some_and(|minor| minor >= FIRST) {
        println!("cargo::rustc-cfg=avx512");
    }
}

/// Returns 89 for `rustc 1.89.0 (...)`.
fn minor_version() -> Option<u32> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.split('.').nth(1)?.parse().ok()
}
