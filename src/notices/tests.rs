use super::*;
use crate::config::Channel;
use crate::units::Name;

fn notice(state: &str) -> Notice {
    Notice {
        at: Duration::from_secs(1_800_000_000),
        kind: "INSTANCE".to_owned(),
        name: "www".to_owned(),
        state: state.to_owned(),
        priority: 254,
        why: "no advert from 192.0.2.12 for 3609 ms".to_owned(),
    }
}

fn notifier(states: &[&str]) -> Notifier {
    Notifier {
        name: Name::new("pager").unwrap(),
        channel: Channel::Syslog,
        every: Duration::ZERO,
        states: states.iter().map(|state| (*state).to_owned()).collect(),
    }
}

#[test]
fn a_fifo_gets_what_keepalived_writes() {
    assert_eq!(notice("MASTER").fifo_line(), "INSTANCE \"www\" MASTER 254\n");
    let group = Notice { kind: "GROUP".to_owned(), name: "edge".to_owned(), priority: 0, ..notice("FAULT") };
    assert_eq!(group.fifo_line(), "GROUP \"edge\" FAULT 0\n");
}

#[test]
fn a_notice_is_for_those_who_ask_for_its_state() {
    for (states, state, expect) in
        [(&[][..], "STOP", true), (&["master"], "MASTER", true), (&["master", "fault"], "BACKUP", false)]
    {
        assert_eq!(notice(state).is_for(&notifier(states)), expect, "{states:?} {state}");
    }
}

#[test]
fn sentences_say_what_happened_where_and_why() {
    let of = |state: &str| notice(state).sentence("lb1");
    assert_eq!(of("MASTER"), "VIP www is on lb1: no advert from 192.0.2.12 for 3609 ms");
    assert_eq!(of("FAULT"), "VIP www cannot be on lb1: no advert from 192.0.2.12 for 3609 ms");
    let hostile = Notice { why: "a\nMESSAGE=b\u{1b}[2J".to_owned(), ..notice("BACKUP") };
    assert_eq!(hostile.sentence("lb1"), "VIP www is not on lb1: a MESSAGE=b [2J");
    assert_eq!(
        Notice { why: "é".repeat(2_000), ..notice("STOP") }.sentence("lb1").len(),
        "VIP www has left lb1: ".len() + 1_000
    );
}

#[test]
fn the_log_gets_fields_that_nobody_can_forge() {
    let entry = Notice { why: "x\nPRIORITY=0".to_owned(), ..notice("FAULT") }.journal_entry("lb1");
    let entry = String::from_utf8(entry).unwrap();
    assert_eq!(entry.lines().filter(|line| line.starts_with("PRIORITY=")).collect::<Vec<_>>(), ["PRIORITY=4"]);
    assert!(entry.contains("VIPKEEPER_STATE=FAULT\n") && entry.contains("VIPKEEPER_WHY=x PRIORITY=0\n"), "{entry}");
    assert!(
        String::from_utf8(notice("MASTER").syslog_line("lb1")).unwrap().starts_with("<29>vipkeeper: VIP www is on lb1")
    );
}

#[test]
fn a_webhook_gets_json_or_what_its_template_makes_of_it() {
    let json: serde_json::Value = serde_json::from_str(&body(None, "lb1", 2, &[notice("MASTER")]).unwrap()).unwrap();
    assert_eq!((&json["node"], &json["dropped"]), (&"lb1".into(), &2.into()));
    assert_eq!(json["notices"][0]["time"], "2027-01-15T08:00:00Z");
    assert_eq!((&json["notices"][0]["state"], &json["notices"][0]["priority"]), (&"MASTER".into(), &254.into()));
    let template = "{% for n in notices %}{{ n.name }} {{ n.state }};{% endfor %} {{ node }}";
    assert_eq!(
        body(Some(template), "lb1", 0, &[notice("FAULT"), notice("MASTER")]).unwrap(),
        "www FAULT;www MASTER; lb1"
    );
    assert!(body(Some("{{ nothing.at.all }}"), "lb1", 0, &[notice("FAULT")]).is_err());
}

#[test]
fn a_mail_tells_all_that_waited() {
    let (subject, text) = mail("lb1", 0, &[notice("MASTER")]);
    assert_eq!(subject, "[lb1] INSTANCE www MASTER");
    assert!(text.starts_with("2027-01-15T08:00:00Z  VIP www is on lb1: "), "{text}");
    let (subject, text) = mail("lb1", 7, &[notice("FAULT"), notice("MASTER")]);
    assert_eq!(subject, "[lb1] INSTANCE www MASTER (and 1 before)");
    assert!(text.starts_with("7 older notices were dropped"), "{text}");
}

#[test]
fn a_queue_is_bounded_ordered_and_survives_its_text() {
    let mut queue = Queue::new(notifier(&[]));
    for priority in 0..=u8::try_from(WAITING_MAX).unwrap() {
        queue.push(Notice { priority, ..notice("MASTER") });
    }
    let (waiting, dropped) = queue.waiting();
    assert_eq!((waiting.len(), dropped, waiting[0].priority), (WAITING_MAX, 1, 1));
    assert_eq!(Queue::parse(&queue.text()), Ok(queue.clone()));
    queue.told(99);
    let (waiting, dropped) = queue.waiting();
    assert_eq!((waiting.len(), dropped, waiting[0].priority), (1, 0, 100));
    assert_eq!(queue.expire(notice("").at + GIVE_UP_AFTER - Duration::from_secs(1)), 0);
    assert_eq!(queue.expire(notice("").at + GIVE_UP_AFTER), 1);
    assert!(queue.is_empty());
    for text in ["", "{}", "[]", &queue.text().replace("\"format\":1", "\"format\":2")] {
        assert!(Queue::parse(text).is_err(), "{text}");
    }
}

#[test]
fn pauses_double_up_to_a_minute() {
    let secs: Vec<u64> = (1..=9).map(|n| retry_pause(n).as_secs()).collect();
    assert_eq!(secs, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}
