//! Generates and compiles the C++ side of the FFI layer.

fn main() {
    let sources = ["src/lib.rs", "src/types.rs"];
    cxx_build::bridges(sources).std("c++20").compile("iforest_bridge_cxx");
    for source in sources {
        println!("cargo:rerun-if-changed={source}");
    }
}
