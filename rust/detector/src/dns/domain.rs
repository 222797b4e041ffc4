//! Parts of a domain name: subdomain, registered domain and public suffix, by the Public Suffix List.

use psl::Psl;
use serde::{Deserialize, Serialize};

/// Version of the crate `psl`, which contains the list. Another list splits names differently and gives other features,
/// so a test ties it to the version of the schema.
#[cfg(test)]
pub(crate) const LIST_VERSION: &str = "2.1.247";

/// Longest name in a DNS message; longer ones are cut off.
const MAX_NAME: usize = 255;
/// Longest top-level domain that is accepted without being on the list; the longest delegated one has 24 characters.
const MAX_UNLISTED_TLD: usize = 24;

/// Kind of a name. Only registered domains are counted: the other kinds have no owner outside the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum NameKind {
    /// No name, or the root.
    #[default]
    Empty,
    /// One label: a host of this network, NetBIOS.
    SingleLabel,
    /// Under `.local`, `.lan`, `.home.arpa` and similar suffixes: names of this network.
    Local,
    /// Reverse lookup under `in-addr.arpa` or `ip6.arpa`.
    Reverse,
    /// Has a registered domain.
    Registered,
    /// Under an impossible top-level domain, such as one with digits.
    Unlisted,
}

/// A lower-case name and its parts.
#[derive(Clone, Copy, Debug)]
pub struct DomainName {
    name: [u8; MAX_NAME],
    len: u8,
    /// Start of the registered domain; the length of the name where there is none.
    registered: u8,
    /// Start of the public suffix.
    suffix: u8,
    kind: NameKind,
}

impl DomainName {
    /// Splits a name of any case, with or without a final dot.
    pub fn new(name: &[u8]) -> Self {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let name = &name[..name.len().min(MAX_NAME)];
        let mut this =
            Self { name: [0; MAX_NAME], len: name.len() as u8, registered: 0, suffix: 0, kind: NameKind::Empty };
        for (to, from) in this.name.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        let (kind, registered, suffix) = split(this.name());
        (this.kind, this.registered, this.suffix) = (kind, registered as u8, suffix as u8);
        this
    }

    /// The whole name in lower case.
    pub fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.len)]
    }

    /// Kind of the name.
    pub fn kind(&self) -> NameKind {
        self.kind
    }

    /// The registered domain: the public suffix and one label more. Empty for names without one.
    pub fn registered(&self) -> &[u8] {
        &self.name()[usize::from(self.registered)..]
    }

    /// First label of the registered domain.
    pub fn label(&self) -> &[u8] {
        let (start, end) = (usize::from(self.registered), usize::from(self.suffix));
        self.name().get(start..end.saturating_sub(1)).unwrap_or_default()
    }

    /// The public suffix.
    pub fn suffix(&self) -> &[u8] {
        &self.name()[usize::from(self.suffix)..]
    }

    /// Labels before the registered domain; the whole name without one.
    pub fn subdomain(&self) -> &[u8] {
        let end = usize::from(self.registered);
        let end = if end == usize::from(self.len) { end } else { end.saturating_sub(1) };
        &self.name()[..end]
    }
}

/// The kind of a lower-case name, and the starts of its registered domain and its suffix.
fn split(name: &[u8]) -> (NameKind, usize, usize) {
    let len = name.len();
    let none = |kind| (kind, len, len);
    if name.is_empty() {
        return none(NameKind::Empty);
    }
    let Some(dot) = name.iter().rposition(|&byte| byte == b'.') else { return none(NameKind::SingleLabel) };
    let tld = &name[dot + 1..];
    match tld {
        b"arpa" if name.ends_with(b".in-addr.arpa") || name.ends_with(b".ip6.arpa") => return none(NameKind::Reverse),
        b"arpa" if name.ends_with(b".home.arpa") => return none(NameKind::Local),
        b"local" | b"localhost" | b"localdomain" | b"lan" | b"home" | b"internal" | b"intranet" | b"workgroup" => {
            return none(NameKind::Local);
        }
        _ => {}
    }
    // A service without its domain, such as `_ldap._tcp`.
    if tld.starts_with(b"_") {
        return none(NameKind::Local);
    }
    let Some(suffix) = psl::List.suffix(name) else { return none(NameKind::Unlisted) };
    if !suffix.is_known() {
        let plausible = tld.iter().all(u8::is_ascii_lowercase) || tld.starts_with(b"xn--");
        if !plausible || tld.len() > MAX_UNLISTED_TLD {
            return none(NameKind::Unlisted);
        }
    }
    let suffix = len - suffix.as_bytes().len();
    if suffix == 0 {
        // A public suffix without a registered domain, such as `co.uk`.
        return (NameKind::Registered, 0, 0);
    }
    let before = &name[..suffix - 1];
    let registered = before.iter().rposition(|&byte| byte == b'.').map_or(0, |dot| dot + 1);
    (NameKind::Registered, registered, suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &str) -> (NameKind, String, String, String) {
        let name = DomainName::new(name.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (name.kind(), text(name.subdomain()), text(name.label()), text(name.suffix()))
    }

    #[test]
    fn splits_names_by_the_public_suffix_list() {
        for (name, subdomain, label, suffix) in [
            ("www.example.com", "www", "example", "com"),
            ("WWW.Example.CO.UK.", "www", "example", "co.uk"),
            ("example.com", "", "example", "com"),
            ("a.b.c.example.com.au", "a.b.c", "example", "com.au"),
            ("bucket.s3.amazonaws.com", "", "bucket", "s3.amazonaws.com"),
            ("x1.pirate.sea", "x1", "pirate", "sea"),
            ("\u{fc}ber.example.org", "\u{fc}ber", "example", "org"),
            ("co.uk", "", "", "co.uk"),
        ] {
            let expected = (NameKind::Registered, subdomain.to_owned(), label.to_owned(), suffix.to_owned());
            assert_eq!(parts(name), expected, "{name}");
        }
    }

    #[test]
    fn names_without_an_owner_have_no_registered_domain() {
        for (name, kind) in [
            ("", NameKind::Empty),
            (".", NameKind::Empty),
            ("wpad", NameKind::SingleLabel),
            ("*", NameKind::SingleLabel),
            ("printer.local", NameKind::Local),
            ("_vlmcs._tcp", NameKind::Local),
            ("router.home.arpa", NameKind::Local),
            ("7.2.0.192.in-addr.arpa", NameKind::Reverse),
            ("b.a.9.8.ip6.arpa", NameKind::Reverse),
            ("dnscat.546b03f5.a67f", NameKind::Unlisted),
            ("*.*", NameKind::Unlisted),
        ] {
            let name = DomainName::new(name.as_bytes());
            assert_eq!((name.kind(), name.registered()), (kind, &b""[..]));
            assert_eq!(name.subdomain(), name.name());
        }
    }

    #[test]
    fn any_bytes_have_parts() {
        for name in [&b"."[..], b"..", b"...com", b"\0.\xff", &[b'a'; 300], &[b'.'; 300], b".example.com"] {
            let name = DomainName::new(name);
            let (subdomain, registered) = (name.subdomain().len(), name.registered().len());
            assert!(subdomain + registered <= name.name().len() && name.name().len() <= 255, "{name:?}");
        }
    }

    /// The stated version of the list equals that of the crate in use.
    #[test]
    fn the_version_of_the_list_is_stated() {
        let lock = include_str!("../../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"psl\"\nversion = \"{LIST_VERSION}\"\n")));
    }
}
