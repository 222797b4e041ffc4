//! Integer keys that sort like the floats they represent, so that rows and thresholds compare as words.

/// Integer key that sorts like the value; 0 for a missing value, and equal for both zeros.
pub(crate) fn float_key(value: f32) -> u32 {
    if value.is_nan() {
        return 0;
    }
    let bits = (value + 0.0).to_bits();
    // A float's bits sort as a signed magnitude: flip all bits of a negative number, only the sign of a positive one.
    bits ^ (((bits as i32 >> 31) as u32) | 0x8000_0000)
}

/// The value of a key.
pub(crate) fn from_float_key(key: u32) -> f32 {
    f32::from_bits(if key & 0x8000_0000 != 0 { key ^ 0x8000_0000 } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_values_do(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(float_key(a) < float_key(b), a < b);
            prop_assert_eq!(float_key(a) == float_key(b), a == b);
            prop_assert!(float_key(a) > float_key(f32::NAN));
            prop_assert_eq!(from_float_key(float_key(a)), a);
        }
    }

    #[test]
    fn both_zeros_have_one_key() {
        assert_eq!(float_key(-0.0), float_key(0.0));
        assert!(float_key(-f32::from_bits(1)) < float_key(0.0) && float_key(0.0) < float_key(f32::from_bits(1)));
    }
}
