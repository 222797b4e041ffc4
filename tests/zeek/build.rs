//! Builds the plugin and the command line with CMake, as a sensor does, if Zeek is installed.

use std::path::Path;

const NEEDED: [&str; 3] = ["zeek-config", "btest", "cmake"];
const SOURCES: [&str; 12] = [
    "CMakeLists.txt",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "rust/bridge",
    "rust/cli",
    "rust/detector",
    "rust/iforest",
    "rust/onnx",
    "rust/zeek-log",
    "scripts",
    "zeek-plugin",
];

fn main() {
    println!("cargo:rerun-if-env-changed=PATH");
    for source in SOURCES {
        println!("cargo:rerun-if-changed=../../{source}");
    }
    if let Some(program) = NEEDED.into_iter().find(|program| !on_path(program)) {
        println!("cargo:rustc-env=ZEEK_TESTS_MISSING={program} is not on PATH");
        return;
    }
    // The default target would install into the Zeek that was found.
    let out = cmake::Config::new("../..")
        .profile("Release")
        .build_target("all")
        // Without LTO the scores are the same, and the build takes a third less time.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .build();
    println!("cargo:rustc-env=ZEEK_TESTS_BUILD={}", out.join("build").display());
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(program).is_file())
}
