//! Isolation forest on rows of `f32`.
