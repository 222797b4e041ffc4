//! Generates and compiles the C++ side of the border.

fn main() {
    cxx_build::bridge("src/lib.rs").std("c++20").compile("iforest_bridge_cxx");
    println!("cargo:rerun-if-changed=src/lib.rs");
}
