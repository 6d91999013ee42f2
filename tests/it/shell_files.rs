//! Configuration files on a real disk: reading, keeping, watching.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use vipkeeper::config::{Source, Sources};
use vipkeeper::node::Event;
use vipkeeper::node::event::OpId;
use vipkeeper::shell::files::watch::Watcher;
use vipkeeper::shell::files::{self, FileOp, Files, Target, last_good};
use vipkeeper::units::Name;

use crate::namespace::on_thread;

/// Well below the regular look at the files, so that only an event can be the cause.
const BY_EVENT: Duration = Duration::from_secs(5);

async fn touched(touched: &Notify, why: &str) {
    assert!(tokio::time::timeout(BY_EVENT, touched.notified()).await.is_ok(), "not noticed: {why}");
    // Writing a file is several events, and a look in between sees it half done.
    while tokio::time::timeout(Duration::from_millis(200), touched.notified()).await.is_ok() {}
}

async fn untouched(touched: &Notify, why: &str) {
    assert!(tokio::time::timeout(Duration::from_millis(400), touched.notified()).await.is_err(), "noticed: {why}");
}

fn watch(main: &Path) -> (Watcher, Arc<Notify>) {
    let notify = Arc::new(Notify::new());
    let reading = files::read(main).unwrap();
    (Watcher::start(&reading, Arc::clone(&notify)).unwrap(), notify)
}

#[test]
fn every_way_of_saving_is_noticed_and_reading_is_not() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("vipkeeper.toml");
        fs::write(&main, "a = 1\n").unwrap();
        let (_watcher, notify) = watch(&main);
        untouched(&notify, "the start").await;
        // Again and again: a watch on the file itself would be deaf after the first replacement.
        for n in 0..3 {
            fs::write(directory.path().join("new"), format!("a = {n}\n")).unwrap();
            fs::rename(directory.path().join("new"), &main).unwrap();
            touched(&notify, "replaced by rename").await;
            fs::write(&main, format!("b = {n}{n}\n")).unwrap();
            touched(&notify, "written in place").await;
        }
        fs::read(&main).unwrap();
        untouched(&notify, "a read").await;
        fs::write(directory.path().join("other"), "x").unwrap();
        untouched(&notify, "another file of the directory").await;
        fs::remove_file(&main).unwrap();
        touched(&notify, "removed").await;
        fs::write(&main, "c = 1\n").unwrap();
        touched(&notify, "back again").await;
    });
}

#[test]
fn a_swapped_symbolic_link_anywhere_on_the_way_is_noticed() {
    on_thread(|| async {
        // As Kubernetes mounts a ConfigMap: file -> ..data/file, ..data -> ..timestamp.
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, text) in [("..1", "a = 1\n"), ("..2", "a = 2\n"), ("..3", "a = 3\n")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("vipkeeper.toml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/vipkeeper.toml", at("vipkeeper.toml")).unwrap();
        let outside = tempfile::tempdir().unwrap();
        let main = outside.path().join("vipkeeper.toml");
        symlink(at("vipkeeper.toml"), &main).unwrap();
        let (_watcher, notify) = watch(&main);
        for version in ["..2", "..3", "..1"] {
            symlink(version, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
            touched(&notify, version).await;
        }
        fs::write(at("..1").join("vipkeeper.toml"), "a = 11\n").unwrap();
        touched(&notify, "the file at the end").await;
        fs::remove_file(&main).unwrap();
        fs::write(&main, "a = 4\n").unwrap();
        touched(&notify, "the link at the beginning").await;
    });
}

#[test]
fn a_broken_start_is_watched_for_its_repair() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("vipkeeper.toml");
        let notify = Arc::new(Notify::new());
        let _watcher = Watcher::start_unread(&main, Arc::clone(&notify)).unwrap();
        untouched(&notify, "the start").await;
        fs::write(&main, "a = 1\n").unwrap();
        touched(&notify, "the file appears").await;
    });
}

#[test]
fn unreadable_files_are_refused_with_path_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let check = |name: &str, why: &str| {
        let report = files::read(&at(name)).unwrap_err();
        assert_eq!(report, format!("cannot read {}: {why}", at(name).display()));
    };
    check("gone.toml", "No such file or directory (os error 2)");
    check("", "it is not a regular file");
    nix::unistd::mkfifo(&at("fifo.toml"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    check("fifo.toml", "it is not a regular file");
    fs::write(at("latin1.toml"), b"# one\n# two\nname = \"M\xfcller\"\n").unwrap();
    check("latin1.toml", "line 3 is not UTF-8; save the file as UTF-8");
    fs::write(at("huge.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    check("huge.toml", "it is longer than 1048576 bytes");
}

#[test]
fn the_last_good_texts_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(last_good::load(directory.path()).unwrap(), None);
    let sources = |text: &str| Sources {
        files: vec![
            Source { path: "/etc/vipkeeper/vipkeeper.toml".into(), text: text.to_owned() },
            Source { path: "/etc/vipkeeper/conf.d/ä.toml".into(), text: "\u{0}\"\n\\".to_owned() },
        ],
    };
    last_good::keep(directory.path(), &sources("one")).unwrap();
    last_good::keep(directory.path(), &sources("two")).unwrap();
    assert_eq!(last_good::load(directory.path()).unwrap(), Some(sources("two")));
    let kept = directory.path().join(last_good::FILE_NAME);
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn a_failed_keep_leaves_the_old_texts_and_a_damaged_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources { files: vec![Source { path: "/a".into(), text: "a".to_owned() }] };
    last_good::keep(directory.path(), &sources).unwrap();
    // A directory in the way of the temporary file, as a full disk would be.
    fs::create_dir(directory.path().join("last-good.json.tmp")).unwrap();
    assert!(last_good::keep(directory.path(), &Sources { files: Vec::new() }).is_err());
    assert_eq!(last_good::load(directory.path()).unwrap(), Some(sources));
    for damaged in ["", "{", r#"{"format":2,"files":[{"path":"/a","text":""}]}"#, r#"{"format":1,"files":[]}"#] {
        fs::write(directory.path().join(last_good::FILE_NAME), damaged).unwrap();
        assert!(last_good::load(directory.path()).is_err(), "{damaged}");
    }
}

#[test]
fn a_refused_load_is_reported_in_full_and_never_kept() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("vipkeeper.toml");
        let good = include_str!("../../src/shell/start/tests/good.toml");
        fs::write(&main, good).unwrap();
        let target = Target {
            names: vec![Name::new("lb1").unwrap()],
            stats_socket: "/run/s".into(),
            files_dir: "/run/files".into(),
        };
        let started_with = files::read(&main).unwrap().sources;
        let (ops, queue) = mpsc::channel(4);
        let (events, mut outcomes) = mpsc::channel(4);
        let worker = Files::new(main.clone(), directory.path().to_owned(), target, started_with, None);
        tokio::spawn(worker.run(queue, events));
        let mut load = async |op| {
            ops.send(FileOp::Load(OpId(op))).await.unwrap();
            ops.send(FileOp::Keep).await.unwrap();
            let event = outcomes.recv().await.unwrap();
            let Event::ConfigLoaded { op: answered, result } = event else { panic!("{event:?}") };
            assert_eq!(answered, OpId(op));
            result.map(|loaded| loaded.rendered.text.clone())
        };
        fs::write(&main, "vip = 7\nnode = 8\n").unwrap();
        let report = load(1).await.unwrap_err();
        assert!(report.contains("vipkeeper.toml:1") && report.contains("vipkeeper.toml:2"), "{report}");
        let better = good.replace("8080", "8081");
        fs::write(&main, &better).unwrap();
        // The keep of the first load is carried out before the second load starts.
        let text = load(2).await.unwrap();
        assert!(text.contains(":8081"), "{text}");
        fs::write(&main, "broken").unwrap();
        load(3).await.unwrap_err();
        load(4).await.unwrap_err();
        let kept = last_good::load(directory.path()).unwrap().unwrap();
        assert_eq!(kept.files[0].text, better);
    });
}

#[test]
fn included_files_are_read_in_order_watched_and_bounded() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("vipkeeper.toml");
        let parts = directory.path().join("conf.d");
        fs::create_dir(&parts).unwrap();
        fs::write(&main, "include = [\"conf.d/*.toml\", \"conf.d/a.toml\"]\n").unwrap();
        for name in ["b.toml", "a.toml", "ignored.txt"] {
            fs::write(parts.join(name), "# part\n").unwrap();
        }
        let read = files::read(&main).unwrap().sources;
        let names: Vec<_> = read.files.iter().map(|f| f.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["vipkeeper.toml", "a.toml", "b.toml"]);

        let (_watcher, notify) = watch(&main);
        untouched(&notify, "the start").await;
        fs::write(parts.join("b.toml"), "# another part\n").unwrap();
        touched(&notify, "an included file").await;
        fs::write(parts.join("c.toml"), "# new\n").unwrap();
        touched(&notify, "a file that the pattern matches now").await;
        fs::write(parts.join("ignored.txt"), "# longer than before\n").unwrap();
        untouched(&notify, "a file that no pattern matches").await;

        for n in 0..files::FILES_MAX {
            fs::write(parts.join(format!("{n}.toml")), "#\n").unwrap();
        }
        assert!(files::read(&main).unwrap_err().contains("more than 256 files"));
    });
}
