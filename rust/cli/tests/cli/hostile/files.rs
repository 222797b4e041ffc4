//! Pipes, links, permissions and full devices.

use super::*;

#[test]
fn handles_pipes_and_directory_loops() {
    let dir = trained();
    dir.write("loop/conn.log", tsv(&rows(20)));
    symlink(".", dir.path("loop/again")).unwrap();
    symlink("../loop", dir.path("loop/and-again")).unwrap();
    symlink("itself", dir.path("loop/itself")).unwrap();
    assert_eq!(column(&quiet(&dir, "score -m m loop").success(), "anomaly_score").len(), 20);

    make_pipe(&dir, "pipe");
    let (pipe, log) = (dir.path("pipe"), tsv(&rows(20)));
    let writer = std::thread::spawn(move || std::fs::write(pipe, log));
    assert_eq!(column(&quiet(&dir, "score -m m pipe").success(), "anomaly_score").len(), 20);
    writer.join().unwrap().unwrap();
    // A pipe without a writer in a directory of logs must not block the command.
    std::fs::rename(dir.path("pipe"), dir.path("loop/conn.pipe.log")).unwrap();
    assert_eq!(column(&quiet(&dir, "score -m m loop").success(), "anomaly_score").len(), 20);
}

fn make_pipe(dir: &Dir, name: &str) {
    assert!(Command::new("mkfifo").arg(dir.path(name)).status().unwrap().success());
}

#[test]
fn reads_a_pipe_once() {
    let dir = trained();
    make_pipe(&dir, "pipe");
    let with = |contents: Vec<u8>, arguments: &str| {
        let pipe = dir.path("pipe");
        let writer = std::thread::spawn(move || std::fs::write(pipe, contents));
        let outcome = quiet(&dir, arguments);
        // A command can refuse the content before reading all of it.
        let _ = writer.join().unwrap();
        outcome
    };
    let log = || tsv(&rows(300)).into_bytes();
    with(log(), "train pipe -o piped --trees 22").success();
    assert!(dir.ok("score -m piped conn.log") == dir.ok("score -m m conn.log"));
    with(log(), "sample pipe -o part").success();
    assert!(dir.ok("inspect part").contains("300 rows"));
    // A packet capture: recognising one would read the start again, which a pipe does not allow.
    let capture = || b"\xd4\xc3\xb2\xa1\x02\0\x04\0\n".to_vec();
    for arguments in ["train pipe -o none", "score -m m pipe"] {
        with(capture(), arguments).fails(1, &["pipe:1: is not a Zeek log"]);
    }
}

#[test]
fn refuses_pipes_of_other_users() {
    let dir = trained();
    make_pipe(&dir, "pipe");
    let pipe = dir.path("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe));
    quiet(&dir, "score -m m conn.log -o pipe").success();
    assert!(reader.join().unwrap().unwrap() == dir.ok("score -m m conn.log"));
    assert!(!dir.path("pipe").metadata().unwrap().is_file());
    if is_roots(&dir.path("")) {
        // Pipes of root are accepted.
        let pipe = dir.path("pipe");
        std::fs::set_permissions(&pipe, std::fs::Permissions::from_mode(0o666)).unwrap();
        let reader = std::thread::spawn(move || std::fs::read_to_string(pipe));
        as_nobody(&dir.path(""), "score -m m conn.log -o pipe").success();
        assert!(reader.join().unwrap().unwrap() == dir.ok("score -m m conn.log"));

        chown(dir.path("pipe"), Some(NOBODY), None).unwrap();
        for arguments in
            ["score -m m conn.log -o pipe", "features -m m conn.log -o pipe", "report -m m conn.log -o pipe"]
        {
            quiet(&dir, arguments).fails(1, &["pipe: cannot be written: it is a named pipe of user 65534, who could"]);
        }
    } else {
        eprintln!("only root can make a pipe another's: that one is refused was not tried");
    }
    // A command that replaces its output replaces a pipe of any user.
    dir.ok("train conn.log -o pipe");
    assert!(dir.path("pipe").symlink_metadata().unwrap().is_file());
}

fn as_nobody(dir: &Path, arguments: &str) -> Outcome {
    unprivileged(dir, arguments).output().unwrap().into()
}

#[test]
fn names_files_without_permission() {
    let dir = trained();
    dir.write("secret.log", tsv(&rows(20)));
    dir.write("secret.model", dir.read_bytes("m"));
    for name in ["secret.log", "secret.model"] {
        std::fs::set_permissions(dir.path(name), std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    let denied = |arguments: &str, texts: &[&str]| as_nobody(&dir.path(""), arguments).fails(1, texts);
    denied("score -m m secret.log", &["secret.log: cannot be opened", "Permission denied"]);
    denied("score -m secret.model conn.log", &["secret.model: cannot be read", "Permission denied"]);
    denied("score -m m conn.log -o /nowhere/out.log", &["there is no directory /nowhere"]);
    if is_roots(&dir.path("")) {
        denied("score -m m conn.log -o out.log", &["out.log: cannot be written", "ermission denied"]);
        denied("train conn.log -o out.model", &["out.model: cannot be written", "ermission denied"]);
    }
    assert!(!dir.path("out.log").exists() && !dir.path("out.model").exists());
    // An unreadable directory loses no other log.
    std::fs::create_dir_all(dir.path("logs/closed")).unwrap();
    dir.write("logs/conn.log", tsv(&rows(20)));
    std::fs::set_permissions(dir.path("logs/closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let run = as_nobody(&dir.path(""), "score -m m logs");
    std::fs::set_permissions(dir.path("logs/closed"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run.stdout.lines().filter(|line| !line.starts_with('#')).count(), 20, "{}", run.stderr);
    run.fails(1, &["logs/closed: cannot be opened: Permission denied"]);
}

#[test]
fn full_device_gives_status_1() {
    let dir = trained();
    for arguments in ["score -m m conn.log -o /dev/full", "features conn.log -m m -o /dev/full"] {
        quiet(&dir, arguments).fails(1, &["/dev/full: cannot be written: No space left"]);
    }
}
