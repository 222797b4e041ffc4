//! Trust in files: a model decides what gets noticed, so nobody but its owner may be able to change it.
//!
//! Owner and mode of the file and of every directory above it are checked as sshd checks those of its keys
//! (`StrictModes` in sshd_config(5)), except that a directory may be its group's, and where a key is trusted, the
//! file's signature. The contents are validated elsewhere.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use minisign_verify::{PublicKey, Signature};

use crate::error::{Error, ErrorKind};
use crate::storage::envelope::{HEADER, announced};

/// Suffix of a signature's file name, as minisign writes it.
const SIGNATURE: &str = ".minisig";
/// The longest signature that is read; its comments are its only part without a fixed length.
const LONGEST: u64 = 16 << 10;
const BY_GROUP: u32 = 0o020;
const BY_OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// As many links on the way to a file as Linux follows.
const MOST_LINKS: usize = 40;

/// Rules of trust. Default: files that nobody else can write to, signed or not.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Public key that must have signed the file; empty for none. The second line of the public key file of
    /// `minisign -G`.
    pub key: String,
    /// True if files count that others can write to.
    pub writable_by_others: bool,
}

impl Trust {
    /// Reads a trusted file, `longest` bytes of it at most and one more where there are more.
    ///
    /// # Errors
    /// If it is not trusted or cannot be read; the error names the file.
    pub fn read(&self, path: &Path, longest: usize) -> Result<Vec<u8>, Error> {
        self.read_unnamed(path, longest).map_err(|kind| Error::from(kind).of(path.display()))
    }

    fn read_unnamed(&self, path: &Path, longest: usize) -> Result<Vec<u8>, ErrorKind> {
        let (file, metadata) = open(path)?;
        if !self.writable_by_others {
            check(path, &metadata)?;
            check_way_to(path, &metadata)?;
        }
        let (mut bytes, mut file) = (Vec::new(), file.take(longest as u64 + 1));
        file.by_ref().take(HEADER as u64).read_to_end(&mut bytes)?;
        // A sample may have a gigabyte; a file of that size that says it is a small one is not to take as much.
        let rest = announced(&bytes).map_or(u64::MAX, |rest| rest.saturating_add(1));
        file.take(rest).read_to_end(&mut bytes)?;
        self.check_signature(path, &bytes)?;
        Ok(bytes)
    }

    /// Returns whether what is written to a directory will be believed when it is read again.
    ///
    /// # Errors
    /// The reason why not, without the name of the directory.
    pub fn check_directory(&self, directory: &Path) -> Result<(), Error> {
        if self.writable_by_others { Ok(()) } else { Ok(check_way(directory).map(drop)?) }
    }

    fn check_signature(&self, path: &Path, bytes: &[u8]) -> Result<(), ErrorKind> {
        if self.key.is_empty() {
            return Ok(());
        }
        let key = PublicKey::from_base64(self.key.trim()).map_err(|_| ErrorKind::Key(self.key.clone()))?;
        let signature = signature_of(path);
        let read = || -> Result<String, ErrorKind> {
            let mut text = String::new();
            open(&signature)?.0.take(LONGEST).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = match read() {
            Ok(text) => text,
            Err(cause) => return Err(ErrorKind::Unsigned(Box::new(Error::from(cause).of(signature.display())))),
        };
        let verified = Signature::decode(&text).and_then(|signed| key.verify(bytes, &signed, false));
        verified.map_err(|_| ErrorKind::WronglySigned { signature })
    }
}

/// Path of the signature of a file.
pub fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE);
    name.into()
}

/// Opens a regular file. What turns out to be another kind of file is not waited for, as a pipe would be that has no
/// writer, nor read.
fn open(path: &Path) -> Result<(File, Metadata), ErrorKind> {
    check_kind(&fs::metadata(path)?)?;
    let at_once = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(at_once).open(path)?;
    // It may be another one by now.
    let metadata = file.metadata()?;
    check_kind(&metadata)?;
    Ok((file, metadata))
}

fn check_kind(metadata: &Metadata) -> Result<(), ErrorKind> {
    match metadata.is_dir() {
        true => Err(io::Error::from(rustix::io::Errno::ISDIR).into()),
        false if !metadata.is_file() => Err(ErrorKind::NotAFile),
        false => Ok(()),
    }
}

/// The way to a file that was opened before: where links were changed since, it leads to another one.
fn check_way_to(path: &Path, opened: &Metadata) -> Result<(), ErrorKind> {
    let found = fs::symlink_metadata(check_way(path)?)?;
    let same = (found.dev(), found.ino()) == (opened.dev(), opened.ino());
    if same { Ok(()) } else { Err(ErrorKind::Replaced) }
}

/// Every directory and every link on the way to a file, as the system goes it: who can write to one can put another
/// file there. Returns where it leads, without a link.
fn check_way(path: &Path) -> Result<PathBuf, ErrorKind> {
    let path = std::path::absolute(path)?;
    let mut place = PathBuf::new();
    let mut rest = components(&path);
    let mut links = 0;
    while let Some(next) = rest.pop() {
        // After a link, this leads out of where it leads to: what is here is free of links.
        if next == ".." {
            place.pop();
            continue;
        }
        place.push(next);
        let metadata = fs::symlink_metadata(&place)?;
        check(&place, &metadata)?;
        if metadata.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::from(rustix::io::Errno::LOOP).into());
            }
            let target = fs::read_link(&place)?;
            place.pop();
            rest.extend(components(&target));
        }
    }
    Ok(place)
}

/// The parts of a path, the last one first. The root, pushed to a path, takes its place.
fn components(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

/// Returns whether a place can be changed by nobody but root and the user this process acts as.
fn check(place: &Path, metadata: &Metadata) -> Result<(), ErrorKind> {
    check_for(rustix::process::geteuid().as_raw(), place, metadata)
}

fn check_for(user: u32, place: &Path, metadata: &Metadata) -> Result<(), ErrorKind> {
    let owner = metadata.uid();
    if owner != 0 && owner != user {
        return Err(ErrorKind::Owner { place: place.to_owned(), owner });
    }
    // The mode of a link means nothing, and in a directory like /tmp nobody can touch what is another's.
    let mode = metadata.mode() & 0o7777;
    if metadata.is_symlink() || (metadata.is_dir() && mode & STICKY != 0) {
        return Ok(());
    }
    // A group with its only user's number is that user's own, as pam_umask(8) tells it, too. Directories of a packaged
    // Zeek are its group's: what another member puts there belongs to that member, and is not believed for that. Where
    // there is a list of who may do what, what stands for the group is the most that any user on the list may.
    let theirs = metadata.is_dir() || (owner != 0 && metadata.gid() == owner && !has_access_list(place));
    if mode & BY_OTHERS != 0 || (mode & BY_GROUP != 0 && !theirs) {
        return Err(ErrorKind::Writable { place: place.to_owned(), mode });
    }
    Ok(())
}

/// Returns whether a file has a list as of acl(5).
fn has_access_list(file: &Path) -> bool {
    rustix::fs::getxattr(file, "system.posix_acl_access", &mut [0u8; 0]).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const STRICT: Trust = Trust { key: String::new(), writable_by_others: false };

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        STRICT.read_unnamed(path, 10).unwrap_err().to_string()
    }

    /// A file only its owner can write to.
    fn private() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        fs::write(&path, "model").unwrap();
        set(&path, 0o644);
        (directory, path)
    }

    #[test]
    fn what_only_its_owner_can_write_to_is_believed() {
        let (_directory, path) = private();
        assert_eq!(STRICT.read(&path, 10).unwrap(), b"model");
        assert_eq!(STRICT.read(&path, 2).unwrap(), b"mod");
    }

    #[test]
    fn what_others_can_write_to_is_not() {
        let (directory, path) = private();
        set(&path, 0o646);
        assert!(refusal(&path).contains("model (mode 0646)"), "{}", refusal(&path));
        let allowed = Trust { writable_by_others: true, ..STRICT };
        assert_eq!(allowed.read(&path, 10).unwrap(), b"model");
        set(&path, 0o600);
        set(directory.path(), 0o2775);
        assert!(STRICT.read(&path, 10).is_ok());
        assert!(STRICT.check_directory(directory.path()).is_ok());
        set(directory.path(), 0o777);
        assert!(refusal(&path).contains("(mode 0777)"), "{}", refusal(&path));
        assert!(STRICT.check_directory(directory.path()).is_err());
        assert!(allowed.check_directory(directory.path()).is_ok());
        // Others can add files there, but not touch those that are there.
        set(directory.path(), 0o1777);
        assert!(STRICT.read(&path, 10).is_ok());
    }

    #[test]
    fn as_many_links_are_followed_as_the_system_follows() {
        let (directory, path) = private();
        let link = |n: usize| directory.path().join(format!("link-{n}"));
        for n in 0..=MOST_LINKS {
            let target = if n == 0 { path.clone() } else { link(n - 1) };
            std::os::unix::fs::symlink(target, link(n)).unwrap();
        }
        assert!(STRICT.read(&link(MOST_LINKS - 1), 10).is_ok());
        assert!(STRICT.read(&link(MOST_LINKS), 10).is_err());
    }

    #[test]
    fn a_group_counts_as_others_unless_it_is_the_owners_own() {
        let (_directory, path) = private();
        set(&path, 0o664);
        let metadata = fs::metadata(&path).unwrap();
        let private = metadata.uid() != 0 && metadata.uid() == metadata.gid();
        assert_eq!(STRICT.read(&path, 10).is_ok(), private);
    }

    #[test]
    fn a_group_of_ones_own_is_not_alone_on_an_access_list() {
        let (_directory, path) = private();
        set(&path, 0o664);
        // Only root can give files away.
        let owner =
            if chown(&path, Some(4242), Some(4242)).is_ok() { 4242 } else { fs::metadata(&path).unwrap().uid() };
        let metadata = fs::metadata(&path).unwrap();
        if metadata.gid() != owner {
            return;
        }
        assert!(check_for(owner, &path, &metadata).is_ok());
        // Version 2: the owner, user 4243 and the mask may write, the group and others not.
        let entries =
            [(0x01, 6, u32::MAX), (0x02, 6, 4243), (0x04, 4, u32::MAX), (0x10, 6, u32::MAX), (0x20, 4, u32::MAX)];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, may, id) in entries {
            list.extend([u16::to_le_bytes(tag), u16::to_le_bytes(may)].concat());
            list.extend(u32::to_le_bytes(id));
        }
        let set = rustix::fs::setxattr(&path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty());
        // Not every file system has lists.
        if set == Err(rustix::io::Errno::OPNOTSUPP) {
            return;
        }
        set.unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o664);
        let refusal = check_for(owner, &path, &metadata).unwrap_err().to_string();
        assert!(refusal.contains("others can write to"), "{refusal}");
    }

    #[test]
    fn what_belongs_to_a_stranger_is_not_believed() {
        let (directory, path) = private();
        // Only root can give files away.
        if chown(&path, Some(4242), None).is_err() {
            return;
        }
        assert!(refusal(&path).contains("belongs to user 4242"), "{}", refusal(&path));
        chown(&path, Some(0), None).unwrap();
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(STRICT.read(&link, 10).is_ok());
        std::os::unix::fs::lchown(&link, Some(4242), None).unwrap();
        assert!(refusal(&link).contains("link belongs to user 4242"), "{}", refusal(&link));
    }

    #[test]
    fn every_link_on_the_way_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (name, mode) in [("ours", 0o755), ("theirs", 0o777)] {
            fs::create_dir(at(name)).unwrap();
            set(&at(name), mode);
        }
        fs::write(at("ours/model"), "model").unwrap();
        set(&at("ours/model"), 0o644);
        // From ours to ours; from ours to theirs and back; the same through a directory, and by a relative way.
        symlink("model", at("ours/link")).unwrap();
        symlink(at("ours/model"), at("theirs/back")).unwrap();
        symlink(at("theirs/back"), at("ours/chain")).unwrap();
        symlink("../theirs/back", at("ours/relative")).unwrap();
        symlink("../ours", at("theirs/ours")).unwrap();
        symlink(at("theirs/ours"), at("through")).unwrap();
        assert!(STRICT.read(&at("ours/link"), 10).is_ok());
        assert!(STRICT.read(&at("ours/../ours/./link"), 10).is_ok());
        for name in ["ours/chain", "ours/relative", "through/model", "theirs/../theirs/back"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"model");
            assert!(refusal(&at(name)).contains("theirs (mode 0777)"), "{name}: {}", refusal(&at(name)));
        }
        symlink("loop", at("loop")).unwrap();
        assert!(check_way(&at("loop")).unwrap_err().to_string().contains("Too many levels"));
    }

    #[test]
    fn what_the_checked_way_leads_to_is_what_was_opened() {
        let (directory, path) = private();
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        let (_file, opened) = open(&link).unwrap();
        assert!(check_way_to(&link, &opened).is_ok());
        // Swapped between opening and looking.
        let other = directory.path().join("other");
        fs::write(&other, "other").unwrap();
        set(&other, 0o644);
        fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        let refusal = check_way_to(&link, &opened).unwrap_err().to_string();
        assert!(refusal.contains("another file took its place"), "{refusal}");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        assert!(refusal(directory.path()).contains("Is a directory"));
        assert_eq!(refusal(Path::new("/dev/null")), "is not a regular file");
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(refusal(&pipe), "is not a regular file");
        // Nor is a signature.
        let (directory, path) = private();
        let signature = signature_of(&path);
        assert!(std::process::Command::new("mkfifo").arg(&signature).status().unwrap().success());
        let refusal = Trust { key: KEY.to_owned(), ..STRICT }.read_unnamed(&path, 10).unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!("is not trusted: it is not signed: {}: is not a regular file", signature.display())
        );
        drop(directory);
    }

    // Made with `minisign -G -W` and `minisign -S` of "model".
    const KEY: &str = "RWTL6Haq3nUaWx6uvpwnxKnqpOUxP0sL6v+9r5fxHldG5/fnlYpcUQQ4";
    const OTHER_KEY: &str = "RWSeA0CqB8jGs+FtmlY98UjUhlJkbUs8i9fqHgQE3r/L1vioEv/yOsX5";
    const SIGNED: &str = concat!(
        "untrusted comment: sig\n",
        "RUTL6Haq3nUaW37gtZqbc0t4LYZKfE09EhbqXleTQ8ZIbNWN2xihs+ZwNtU7/wfpjzOv8RMq8wUh0gutho5RuDnMPZBNgStpaQU=\n",
        "trusted comment: test\n",
        "m78TRZMcRyip3nUfjKct6oY8j5wqjPzBo4Cn1tpyx+mE8b19ZObdwQjP8Qrloz09N+nEl5Iy/0baRkWxm3lsBA==\n",
    );

    #[test]
    fn with_a_key_only_what_it_signed_is_believed() {
        let (directory, path) = private();
        let trusting = |key: &str| Trust { key: key.to_owned(), writable_by_others: true };
        let refusal = |key: &str| trusting(key).read_unnamed(&path, 10).unwrap_err().to_string();
        assert!(refusal(KEY).contains("it is not signed"), "{}", refusal(KEY));
        let signature = directory.path().join("model.minisig");
        fs::write(&signature, SIGNED).unwrap();
        assert_eq!(trusting(KEY).read(&path, 10).unwrap(), b"model");
        assert!(refusal(OTHER_KEY).contains("is not its signature by the trusted key"), "{}", refusal(OTHER_KEY));
        assert!(refusal("not a key").contains("not a public key"), "{}", refusal("not a key"));
        fs::write(&path, "mOdel").unwrap();
        assert!(refusal(KEY).contains("is not its signature"), "{}", refusal(KEY));
        fs::write(&path, "model").unwrap();
        fs::write(&signature, "untrusted comment: nothing\n").unwrap();
        assert!(refusal(KEY).contains("is not its signature"), "{}", refusal(KEY));
    }
}
