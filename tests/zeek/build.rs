//! Builds the plugin and the command line as a sensor would, with CMake, where there is a Zeek to build against.

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
    // Installing is what the default target does; this is not to touch the Zeek it finds.
    let out = cmake::Config::new("../..")
        .profile("Release")
        .build_target("all")
        // The scores are the same without it, and a third of the build is saved.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .build();
    println!("cargo:rustc-env=ZEEK_TESTS_BUILD={}", out.join("build").display());
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(program).is_file())
}
