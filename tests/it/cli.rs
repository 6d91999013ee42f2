//! The command line as its users meet it: texts and exit statuses of the built binary.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::{Expect, expect};

use crate::render_frontends::Certificates;

fn vipkeeper(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
    command.args(args).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

fn run(args: &[&str]) -> Ended {
    let Output { status, stdout, stderr } = vipkeeper(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { status: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

fn check_stdout(args: &[&str], expected: &Expect) {
    let ended = run(args);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    expected.assert_eq(&ended.stdout);
}

/// The configuration that the README shows.
fn readme_toml() -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A directory with the README's configuration, and the path of that file.
fn readme_file() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vipkeeper.toml");
    fs::write(&file, readme_toml()).unwrap();
    let path = file.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn help_shows_commands_options_and_exit_statuses() {
    check_stdout(
        &["-h"],
        &expect![[r#"
            A virtual IP lives only where a healthy proxy lives

            Usage: vipkeeper [OPTIONS] <COMMAND>

            Commands:
              run          Run the node: proxy, VRRP, VIPs (normally started by the service manager)
              check        Check the configuration and say what was understood; changes nothing
              render       Print the proxy's configuration as this node would run it
              diff         Show what a change of the configuration would do, and at what cost; changes nothing
              doctor       Find what keeps the pair from working, and say how to mend it; changes nothing
              status       Show who holds each VIP and why, the health of the proxy and the last reload
              explain      Say why a VIP is where it is, what would move it, and what happens if something dies
              simulate     Play out what would happen: all single faults, or a script of yours; touches nothing
              reload       Read the configuration again, wait for the outcome and print it
              release      Give up a VIP (or all) and stay out of its election
              switchover   Hand a VIP (or all that are here) to another node without breaking it, and stay
                           behind that one
              maintenance  Hold no VIP while somebody works on this host, also over restarts
              resume       Take part again after a release or a switchover
              server       Put a server into maintenance, drain it or change its weight, until it is taken back
              replay       Tell a journal of `run --journal` again: what was decided, when and why; changes
                           nothing
              schema       Print a JSON Schema of the configuration, for editors
              import       Turn configurations of keepalived into one of vipkeeper, with a report
              keygen       Write a new key for the nodes to talk to each other with; copy it to every node
              completions  Print a completion script for a shell
              manual       Write the manual pages into a directory
              demo         Show a failover on this machine: two virtual hosts, a client, a killed proxy (needs
                           root)
              help         Print this message or the help of the given subcommand(s)

            Options:
              -h, --help     Print help (see more with '--help')
              -V, --version  Print version

            Which instance:
                  --config <FILE>      The configuration, the same file on every host [env: VIPKEEPER_CONFIG=]
                                       [default: /etc/vipkeeper/vipkeeper.toml]
                  --node <NAME>        Which node of the configuration this is [default: the host name]
                  --runtime-dir <DIR>  Sockets and records of the running instance [default: /run/vipkeeper]
                  --state-dir <DIR>    What survives a boot [default: /var/lib/vipkeeper, or the runtime
                                       directory where only that is given]

            Exit status:
              0  fine
              1  unhealthy (proxy failed, a VIP in fault), or something unexpected
              2  wrong configuration or wrong usage
              3  a privilege or a program is missing
              4  this node is already running
              5  vipkeeper is not running
        "#]],
    );
}

#[test]
fn help_of_every_command_fits_a_terminal() {
    for command in [
        "run", "check", "render", "diff", "status", "reload", "release", "resume", "replay", "import", "keygen",
        "schema", "demo",
    ] {
        let ended = run(&[command, "--help"]);
        assert_eq!(ended.status, 0, "{command}");
        assert!(ended.stdout.contains("--runtime-dir"), "{command}: {}", ended.stdout);
        let widest = ended.stdout.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= 100, "{command}: {widest} columns\n{}", ended.stdout);
    }
}

#[test]
fn version_is_the_package_version() {
    assert_eq!(run(&["--version"]).stdout, format!("vipkeeper {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_has_the_status_of_a_wrong_configuration() {
    for args in [&["status", "--nonsense"][..], &["nonsense"], &[], &["release", "www", "--for", "10"]] {
        let ended = run(args);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty());
    }
}

#[test]
fn commands_to_a_running_instance_say_when_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = dir.path().to_str().unwrap();
    for command in ["status", "reload", "release", "resume"] {
        let ended = run(&[command, "--runtime-dir", runtime]);
        assert_eq!((ended.status, ended.stdout.as_str()), (5, ""), "{command}: {}", ended.stderr);
        assert!(ended.stderr.contains("not running") && ended.stderr.contains(runtime), "{}", ended.stderr);
    }
    // A socket on which nobody listens any more.
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("control.sock")).unwrap());
    assert_eq!(run(&["status", "--runtime-dir", runtime]).status, 5);
}

#[test]
fn check_says_what_was_understood() {
    let (_dir, file) = readme_file();
    let ended = run(&["check", "--no-proxy", "--config", &file, "--node", "lb2"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    expect![[r#"
        node      lb1 at 192.168.83.131
        node      lb2 at 192.168.83.132  (this host)
        VIP       www: 192.168.83.111/24 on eth0, vrid 51 of VRRPv3 for IPv4, held by lb1 (254), else lb2 (253); adverts every 1s, moves back after 10s
        peers     UDP port 5112, a hello every 1s, key in /etc/vipkeeper/peers.key
        frontend  www: www:80 to backend web
        backend   web: roundrobin, web1 (192.168.83.129:8080), web2 (192.168.83.130:8080); check: GET /index.html every 2s

        vipkeeper.toml is fine
    "#]].assert_eq(&ended.stdout.replace(&file, "vipkeeper.toml"));
}

#[test]
fn check_reports_every_problem_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vipkeeper.toml");
    fs::write(&file, readme_toml().replace("vrid = 51", "vird = 51").replace("fall = 3", "fall = \"three\"")).unwrap();
    let file = file.to_str().unwrap();
    let ended = run(&["check", "--no-proxy", "--config", file]);
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    expect![[r#"
        error: unknown key `vird` in [[vip]]
          --> vipkeeper.toml:13:1
           |
        13 | vird = 51
           | ^^^^
           |
           = help: did you mean `vrid`?

        error: `fall` of `check` of [[backend]] must be a whole number
          --> vipkeeper.toml:28:71
           |
        28 | check = { http = "GET /index.html", interval = "2s", rise = 2, fall = "three" }
           |                                                                       ^^^^^^^ this is a string
           |
           = note: Failed checks in a row until a server is down.
           = help: write `fall = 3`

        vipkeeper.toml: 2 problems
    "#]]
    .assert_eq(&ended.stderr.replace(file, "vipkeeper.toml"));
}

#[test]
fn check_and_render_take_the_file_as_a_word_too() {
    let (_dir, file) = readme_file();
    let named = run(&["check", "--no-proxy", "--config", &file]);
    let word = run(&["check", "--no-proxy", &file]);
    assert_eq!((word.status, &word.stdout), (0, &named.stdout));
    let word = run(&["render", "--node", "lb1", &file]);
    assert!(word.status == 0 && word.stdout.contains("frontend"), "{}", word.stderr);
}

#[test]
fn check_of_a_file_that_is_not_there_names_it() {
    let ended = run(&["check", "--config", "/nonexistent/vipkeeper.toml"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("/nonexistent/vipkeeper.toml"), "{}", ended.stderr);
}

#[test]
fn check_asks_haproxy_and_shows_its_alert_at_the_line_of_the_toml() {
    if vipkeeper::cli::programs::find("haproxy").is_none() {
        return crate::skip("check_asks_haproxy", "haproxy is not installed");
    }
    let (dir, file) = readme_file();
    let ended = run(&["check", "--config", &file]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("haproxy accepts the rendered file"), "{}", ended.stdout);

    let wrong = dir.path().join("wrong.toml");
    fs::write(&wrong, readme_toml().replace("mode = \"http\"", "raw = [\"frobnicate on\"]")).unwrap();
    let ended = run(&["check", "--config", wrong.to_str().unwrap()]);
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    let line = fs::read_to_string(&wrong).unwrap().lines().position(|l| l.contains("frobnicate")).unwrap() + 1;
    assert!(ended.stderr.contains(&format!("wrong.toml:{line}")), "{}", ended.stderr);
    assert!(ended.stderr.contains("frobnicate"), "{}", ended.stderr);
}

#[test]
fn every_example_passes_the_check() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut seen = 0;
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::new("every_example_passes_the_check");
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            let text = match (&certificates, text.contains("/etc/haproxy/certs")) {
                (Some(certificates), true) => text.replace("/etc/haproxy/certs", certificates.path().to_str().unwrap()),
                (None, true) => continue,
                (_, false) => text,
            };
            let here = dir.path().join(path.file_name().unwrap());
            fs::write(&here, text).unwrap();
            let ended = run(&["check", "--config", here.to_str().unwrap()]);
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 2, "there are too few examples");
}

#[test]
fn render_shows_what_the_text_refers_to_as_comments() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hundred-hosts.toml");
    let ended = run(&["render", "--node", "lb1", "--state-dir", "/state", "--config", example.to_str().unwrap()]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let (text, files) = ended.stdout.split_once("\n# /state/haproxy.d/edge-hosts-").unwrap();
    assert!(text.contains("map_str(/state/haproxy.d/edge-hosts-"), "{text}");
    assert!(files.contains("\n#   shop01.example.com shop\n") && files.lines().skip(1).all(|l| l.starts_with('#')));
}

#[test]
fn render_prints_or_writes_the_same_text() {
    let (dir, file) = readme_file();
    let printed = run(&["render", "--config", &file, "--node", "lb1"]);
    assert_eq!((printed.status, printed.stderr.as_str()), (0, ""));
    assert!(printed.stdout.contains("bind 192.168.83.111:80 transparent\n"), "{}", printed.stdout);
    let output = dir.path().join("haproxy.cfg");
    let written = run(&["render", "--config", &file, "--node", "lb1", "-o", output.to_str().unwrap()]);
    assert_eq!((written.status, written.stdout.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(output).unwrap(), printed.stdout);
}

#[test]
fn render_for_a_node_that_is_none_names_those_there_are() {
    let (_dir, file) = readme_file();
    let ended = run(&["render", "--config", &file, "--node", "lb9"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("lb9") && ended.stderr.contains("lb1, lb2"), "{}", ended.stderr);
}

#[test]
fn schema_is_json_that_knows_the_keys() {
    let ended = run(&["schema"]);
    assert_eq!(ended.status, 0);
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(schema["$schema"].is_string());
    assert!(schema["properties"]["vip"].is_object());
}

#[test]
fn keygen_writes_a_key_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("peers.key");
    let file = path.to_str().unwrap();
    let ended = run(&["keygen", file]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let text = fs::read_to_string(&path).unwrap();
    assert!(vipkeeper::peer::PeerKey::from_hex(&text).is_ok());
    assert!(!ended.stdout.contains(text.trim()), "the key is a secret");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = run(&["keygen", file]);
    assert_eq!(again.status, 2);
    assert!(again.stderr.contains("stays as it is"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let other = run(&["keygen", dir.path().join("other").to_str().unwrap()]);
    assert_eq!(other.status, 0);
    assert_ne!(fs::read_to_string(dir.path().join("other")).unwrap(), text);
}

#[test]
fn demo_without_root_says_so() {
    use std::os::unix::process::CommandExt;
    let mut command = vipkeeper(&["demo"]);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    match command.output() {
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{stderr}");
            assert!(stderr.contains("root"), "{stderr}");
        }
        // The directory of the build may be closed to others.
        Err(error) => crate::skip("demo_without_root_says_so", &format!("cannot run as nobody: {error}")),
    }
}
