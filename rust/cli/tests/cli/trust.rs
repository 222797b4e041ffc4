//! Permissions and signatures of models.

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use crate::lab::data;
use crate::logs;
use crate::run::{Dir, command};

/// A directory with a log and a model of it.
fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("conn.log", logs::tsv(&logs::rows(400)));
    dir.ok("train conn.log -o model");
    dir
}

#[test]
fn refuses_models_writable_by_others() {
    let dir = trained();
    let model = dir.path("model");
    assert_eq!(metadata(&model).unwrap().permissions().mode() & 0o022, 0);
    set_permissions(&model, Permissions::from_mode(0o666)).unwrap();
    for command in ["score -m model conn.log", "top -m model conn.log", "inspect model", "export-onnx model -o out"] {
        dir.run(command).fails(1, &["model: is not trusted: others can write to", "(mode 0666)", "--allow-writable"]);
        dir.ok(&format!("{command} --allow-writable"));
    }
}

#[test]
fn refuses_models_in_directories_writable_by_others() {
    let dir = trained();
    std::fs::create_dir(dir.path("shared")).unwrap();
    std::fs::copy(dir.path("model"), dir.path("shared/model")).unwrap();
    set_permissions(dir.path("shared"), Permissions::from_mode(0o777)).unwrap();
    dir.run("top -m shared/model conn.log").fails(1, &["others can write to", "/shared (mode 0777)"]);
    // Others can replace a link in the directory like a file.
    symlink(dir.path("model"), dir.path("shared/link")).unwrap();
    dir.run("top -m shared/link conn.log").fails(1, &["others can write to", "/shared (mode 0777)"]);
}

#[test]
fn refuses_pipes_as_models() {
    let dir = trained();
    assert!(Command::new("mkfifo").arg(dir.path("pipe")).status().unwrap().success());
    for command in ["top -m pipe conn.log", "inspect pipe", "inspect pipe --allow-writable"] {
        dir.run(command).fails(1, &["pipe: is not a regular file"]);
    }
}

#[test]
fn rejects_empty_keys() {
    let dir = trained();
    for key in ["", " ", "\n"] {
        for arguments in ["inspect model", "top -m model conn.log"] {
            let mut command = command(&dir.path(""), arguments);
            let output = command.args(["--trusted-key", key]).stdin(Stdio::null()).output().unwrap();
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{message}");
            assert!(
                message.contains("'--trusted-key <KEY>'") && message.contains("not a minisign public key"),
                "{message}"
            );
        }
    }
}

#[test]
fn accepts_only_signed_models() {
    let dir = trained();
    let keys = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    dir.write("key", keys.sk.to_box(None).unwrap().into_string());
    let key = keys.pk.to_base64();
    dir.run(&format!("top -m model conn.log --trusted-key {key}")).fails(1, &["it is not signed", "model.minisig"]);

    dir.ok("train conn.log -o model --sign-with key");
    dir.ok(&format!("top -m model conn.log --trusted-key {key}"));
    let other = minisign::KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64();
    dir.run(&format!("top -m model conn.log --trusted-key {other}"))
        .fails(1, &["model.minisig does not match the file and the trusted key"]);
    dir.run("top -m model conn.log --trusted-key nonsense")
        .fails(1, &["cannot be verified", "is not a minisign public key"]);

    // A valid model with the signature of another.
    dir.ok("train conn.log -o model --seed 2");
    dir.run(&format!("top -m model conn.log --trusted-key {key}")).fails(1, &["does not match the file"]);
    // A key in the format of minisign -G -W.
    dir.write("minisign.key", concat!("untrusted comment: the tests' own\n", "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAy+h2qt51Glts3hS5F1s14Zel3Kkj4Gwt/mpSF3dVcZKTV4B+7ObQWB6uvpwnxKnqpOUxP0sL6v+9r5fxHldG5/fnlYpcUQQ4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "\n"));
    dir.ok("train conn.log -o model --sign-with minisign.key");
    dir.ok("top -m model conn.log --trusted-key RWTL6Haq3nUaWx6uvpwnxKnqpOUxP0sL6v+9r5fxHldG5/fnlYpcUQQ4");
    dir.run("train conn.log -o other --sign-with conn.log").fails(1, &["conn.log: not a minisign secret key"]);
    assert!(!dir.path("other").exists());
}

#[test]
fn outputs_replace_links_not_targets() {
    let dir = trained();
    dir.write("precious", "precious");
    dir.write("forest.onnx", std::fs::read(data("lab-day1.forest.onnx")).unwrap());
    dir.write("lab.log", std::fs::read(data("lab-day1.conn.log")).unwrap());
    let labels = ["Benign", "malicious"].into_iter().cycle();
    let labelled = logs::rows(40).into_iter().zip(labels).map(|(row, label)| format!("{}\t{label}\n", row.join("\t")));
    dir.write("labelled.log", logs::header(&["label"]) + &labelled.collect::<String>());
    for (command, output) in [
        ("train conn.log -o out", "out"),
        ("train conn.log -o out2 --sign-with key", "out2.minisig"),
        ("score -m model conn.log -o out", "out"),
        ("report -m model conn.log -o out", "out"),
        ("features -m model conn.log -o out", "out"),
        ("export-onnx model -o out", "out"),
        ("sample conn.log -o out", "out"),
        ("import-onnx forest.onnx lab.log -o out", "out"),
        ("evaluate -m model labelled.log --roc out", "out"),
        ("evaluate -m model labelled.log --pr out", "out"),
    ] {
        let keys = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        dir.write("key", keys.sk.to_box(None).unwrap().into_string());
        let _ = std::fs::remove_file(dir.path(output));
        symlink(dir.path("precious"), dir.path(output)).unwrap();
        dir.ok(command);
        assert!(dir.path(output).symlink_metadata().unwrap().is_file(), "{command}");
        assert_eq!(dir.read("precious"), "precious", "{command}");
    }
}
