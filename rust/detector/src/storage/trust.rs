//! Trust in files: only the owner may be able to change a model or state.
//!
//! Owner and mode of the file and of every directory above it are checked as sshd checks its keys (`StrictModes` in
//! sshd_config(5)), except that a directory may be writable by its group. With a trusted key, the file's signature is
//! checked as well. The contents are validated elsewhere.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use minisign_verify::{PublicKey, Signature};

use crate::error::{Error, ErrorKind};
use crate::storage::envelope::{HEADER, declared_length};

/// Suffix of signature files, as minisign writes it.
const SIGNATURE: &str = ".minisig";
/// Largest signature that is read, in bytes. Only its comments have no fixed length.
const MAX_SIGNATURE: u64 = 16 << 10;
const BY_GROUP: u32 = 0o020;
const BY_OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// Number of links on a path that Linux follows.
const MAX_LINKS: usize = 40;

/// Rules of trust. By default, files must not be writable by others, and need no signature.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Public key that must have signed the file: the second line of the public key file of `minisign -G`. Empty for
    /// none.
    pub key: String,
    /// True to accept files that others can write to.
    pub writable_by_others: bool,
}

impl Trust {
    /// Reads a trusted file: at most `longest` bytes, and one more if there are more.
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
            check_path_of(path, &metadata)?;
        }
        let (mut bytes, mut file) = (Vec::new(), file.take(longest as u64 + 1));
        file.by_ref().take(HEADER as u64).read_to_end(&mut bytes)?;
        // The declared size decides how much is read: a sample may have a gigabyte, but only if its header says so.
        let rest = declared_length(&bytes).map_or(u64::MAX, |rest| rest.saturating_add(1));
        file.take(rest).read_to_end(&mut bytes)?;
        self.check_signature(path, &bytes)?;
        Ok(bytes)
    }

    /// Checks that files in a directory would be trusted.
    ///
    /// # Errors
    /// If not, with the reason but without the name of the directory.
    pub fn check_directory(&self, directory: &Path) -> Result<(), Error> {
        if self.writable_by_others { Ok(()) } else { Ok(check_path(directory).map(drop)?) }
    }

    fn check_signature(&self, path: &Path, bytes: &[u8]) -> Result<(), ErrorKind> {
        if self.key.is_empty() {
            return Ok(());
        }
        let key = PublicKey::from_base64(self.key.trim()).map_err(|_| ErrorKind::Key(self.key.clone()))?;
        let signature = signature_of(path);
        let read = || -> Result<String, ErrorKind> {
            let mut text = String::new();
            open(&signature)?.0.take(MAX_SIGNATURE).read_to_string(&mut text)?;
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

/// Opens a regular file. Other kinds are not opened for reading, because a pipe without a writer would block.
fn open(path: &Path) -> Result<(File, Metadata), ErrorKind> {
    check_kind(&fs::metadata(path)?)?;
    let at_once = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(at_once).open(path)?;
    // The file can have been replaced since.
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

/// Checks the path of an opened file. If links have changed since, the path leads to another file.
fn check_path_of(path: &Path, opened: &Metadata) -> Result<(), ErrorKind> {
    let found = fs::symlink_metadata(check_path(path)?)?;
    let same = (found.dev(), found.ino()) == (opened.dev(), opened.ino());
    if same { Ok(()) } else { Err(ErrorKind::Replaced) }
}

/// Checks every directory and link on the path, in the order in which the system resolves it, because whoever can write
/// to one can substitute the file. Returns the resolved path.
fn check_path(path: &Path) -> Result<PathBuf, ErrorKind> {
    let path = std::path::absolute(path)?;
    let mut place = PathBuf::new();
    let mut rest = components(&path);
    let mut links = 0;
    while let Some(next) = rest.pop() {
        // `..` leaves the directory that was resolved so far, which has no links.
        if next == ".." {
            place.pop();
            continue;
        }
        place.push(next);
        let metadata = fs::symlink_metadata(&place)?;
        check(&place, &metadata)?;
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::from(rustix::io::Errno::LOOP).into());
            }
            let target = fs::read_link(&place)?;
            place.pop();
            rest.extend(components(&target));
        }
    }
    Ok(place)
}

/// Components of a path in reverse order. Pushing the root to a path replaces it.
fn components(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

/// Checks that only root and the user of this process can change a file or directory.
fn check(place: &Path, metadata: &Metadata) -> Result<(), ErrorKind> {
    check_for(rustix::process::geteuid().as_raw(), place, metadata)
}

fn check_for(user: u32, place: &Path, metadata: &Metadata) -> Result<(), ErrorKind> {
    let owner = metadata.uid();
    if owner != 0 && owner != user {
        return Err(ErrorKind::Owner { place: place.to_owned(), owner });
    }
    // The mode of a link has no meaning, and in a sticky directory like /tmp users cannot replace each other's files.
    let mode = metadata.mode() & 0o7777;
    if metadata.is_symlink() || (metadata.is_dir() && mode & STICKY != 0) {
        return Ok(());
    }
    // A group with the user's own number is that user's private group, as pam_umask(8) assumes. Directories of a
    // packaged Zeek are writable by its group: files that another member puts there belong to that member and are
    // refused. With an access control list, the group bits are the most that any listed user may do.
    let theirs = metadata.is_dir() || (owner != 0 && metadata.gid() == owner && !has_access_list(place));
    if mode & BY_OTHERS != 0 || (mode & BY_GROUP != 0 && !theirs) {
        return Err(ErrorKind::Writable { place: place.to_owned(), mode });
    }
    Ok(())
}

/// Returns true if a file has an access control list (acl(5)).
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
    fn accepts_files_that_only_the_owner_can_write_to() {
        let (_directory, path) = private();
        assert_eq!(STRICT.read(&path, 10).unwrap(), b"model");
        assert_eq!(STRICT.read(&path, 2).unwrap(), b"mod");
    }

    #[test]
    fn rejects_files_that_others_can_write_to() {
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
        // Others can add files there, but cannot change existing ones.
        set(directory.path(), 0o1777);
        assert!(STRICT.read(&path, 10).is_ok());
    }

    #[test]
    fn follows_as_many_links_as_the_system() {
        let (directory, path) = private();
        let link = |n: usize| directory.path().join(format!("link-{n}"));
        for n in 0..=MAX_LINKS {
            let target = if n == 0 { path.clone() } else { link(n - 1) };
            std::os::unix::fs::symlink(target, link(n)).unwrap();
        }
        assert!(STRICT.read(&link(MAX_LINKS - 1), 10).is_ok());
        assert!(STRICT.read(&link(MAX_LINKS), 10).is_err());
    }

    #[test]
    fn group_counts_as_others_unless_it_is_private() {
        let (_directory, path) = private();
        set(&path, 0o664);
        let metadata = fs::metadata(&path).unwrap();
        let private = metadata.uid() != 0 && metadata.uid() == metadata.gid();
        assert_eq!(STRICT.read(&path, 10).is_ok(), private);
    }

    #[test]
    fn private_group_with_an_access_list_counts_as_others() {
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
        // ACL version 2: the owner, user 4243 and the mask may write, the group and others not.
        let entries =
            [(0x01, 6, u32::MAX), (0x02, 6, 4243), (0x04, 4, u32::MAX), (0x10, 6, u32::MAX), (0x20, 4, u32::MAX)];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, may, id) in entries {
            list.extend([u16::to_le_bytes(tag), u16::to_le_bytes(may)].concat());
            list.extend(u32::to_le_bytes(id));
        }
        let set = rustix::fs::setxattr(&path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty());
        // Not every file system supports them.
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
    fn rejects_files_of_other_users() {
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
    fn checks_every_link_on_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (name, mode) in [("ours", 0o755), ("theirs", 0o777)] {
            fs::create_dir(at(name)).unwrap();
            set(&at(name), mode);
        }
        fs::write(at("ours/model"), "model").unwrap();
        set(&at("ours/model"), 0o644);
        // Links from our files to our files, from ours to another user's and back, through a directory, and with a
        // relative path.
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
        assert!(check_path(&at("loop")).unwrap_err().to_string().contains("Too many levels"));
    }

    #[test]
    fn detects_a_file_replaced_after_opening() {
        let (directory, path) = private();
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        let (_file, opened) = open(&link).unwrap();
        assert!(check_path_of(&link, &opened).is_ok());
        // Replaced between opening and checking.
        let other = directory.path().join("other");
        fs::write(&other, "other").unwrap();
        set(&other, 0o644);
        fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        let refusal = check_path_of(&link, &opened).unwrap_err().to_string();
        assert!(refusal.contains("it was replaced while it was read"), "{refusal}");
    }

    #[test]
    fn rejects_pipes_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        assert!(refusal(directory.path()).contains("Is a directory"));
        assert_eq!(refusal(Path::new("/dev/null")), "is not a regular file; give a regular file");
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(refusal(&pipe), "is not a regular file; give a regular file");
        // A signature is not waited for either.
        let (directory, path) = private();
        let signature = signature_of(&path);
        assert!(std::process::Command::new("mkfifo").arg(&signature).status().unwrap().success());
        let refusal = Trust { key: KEY.to_owned(), ..STRICT }.read_unnamed(&path, 10).unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!(
                "is not trusted: it is not signed: {}: is not a regular file; give a regular file",
                signature.display()
            )
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
    fn trusted_key_requires_its_signature() {
        let (directory, path) = private();
        let trusting = |key: &str| Trust { key: key.to_owned(), writable_by_others: true };
        let refusal = |key: &str| trusting(key).read_unnamed(&path, 10).unwrap_err().to_string();
        assert!(refusal(KEY).contains("it is not signed"), "{}", refusal(KEY));
        let signature = directory.path().join("model.minisig");
        fs::write(&signature, SIGNED).unwrap();
        assert_eq!(trusting(KEY).read(&path, 10).unwrap(), b"model");
        assert!(refusal(OTHER_KEY).contains("does not match the file and the trusted key"), "{}", refusal(OTHER_KEY));
        assert!(refusal("not a key").contains("is not a minisign public key"), "{}", refusal("not a key"));
        fs::write(&path, "mOdel").unwrap();
        assert!(refusal(KEY).contains("does not match the file"), "{}", refusal(KEY));
        fs::write(&path, "model").unwrap();
        fs::write(&signature, "untrusted comment: nothing\n").unwrap();
        assert!(refusal(KEY).contains("does not match the file"), "{}", refusal(KEY));
    }
}
