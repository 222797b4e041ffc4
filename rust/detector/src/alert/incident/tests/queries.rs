//! Tests of incidents of dns.log.

use super::*;

fn query(name: &[u8], seconds: i64) -> DnsQuery<'_> {
    DnsQuery {
        ts: seconds * SECOND,
        client: host(5),
        server: host(1),
        server_port: 53,
        query: Some(name),
        qtype: Some(1),
        rcode: Some(0),
        answer_bytes: 20,
        ..DnsQuery::default()
    }
}

fn observe_query(grouper: &mut Grouper, query: &DnsQuery<'_>, alert: bool) -> Option<String> {
    observe_with(grouper, query, verdict(alert), &[])
}

#[test]
fn a_tunnel_counts_the_bytes_of_different_names_from_its_first_query() {
    let mut grouper = grouper();
    for i in 0..600 {
        // Every name twice.
        let name = format!("{:040x}.example.com", i / 2 * 7919);
        observe_query(&mut grouper, &query(name.as_bytes(), i / 4), (100..400).contains(&i));
    }
    let incidents = closed(grouper);
    assert_eq!((incidents.len(), incidents[0].kind, incidents[0].records), (1, IncidentKind::Tunnel, 600));
    let summary = incidents[0].summary();
    assert!(summary.starts_with("10.0.0.5 sent 1"), "{summary}");
    assert!(summary.contains(" kB in about 2") || summary.contains(" kB in about 3"), "{summary}");
    let end = " different names of example.com to 10.0.0.1 in 2m29s, and received 12 kB";
    assert!(summary.ends_with(end), "{summary}");
    assert_eq!((incidents[0].records_text().as_str(), incidents[0].attack()[0]), ("600 queries", "T1071.004"));
    assert_eq!(incidents[0].uids().count(), 1);
}

#[test]
fn a_tunnel_found_by_evidence_names_its_domain() {
    let mut grouper = grouper();
    for i in 0..60 {
        let name = format!("{:040x}.example.com", i * 7919);
        let evidence = (i == 40).then_some(Evidence::Service(20));
        observe_with(&mut grouper, &query(name.as_bytes(), i), Verdict { evidence, ..verdict(false) }, &[]);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!((incident.kind, incident.records), (IncidentKind::Tunnel, 60));
    assert!(incident.summary().contains(" different names of example.com to 10.0.0.1"), "{}", incident.summary());
}

#[test]
fn a_tunnel_names_the_server_of_its_domain() {
    let mut grouper = grouper();
    for i in 0..60 {
        let name = format!("{:040x}.example.com", i * 7919);
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
        let other = DnsQuery { server: host(10 + i as u8 % 3), ..query(b"www.example.org", i) };
        observe_query(&mut grouper, &other, true);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!((incident.kind, incident.records), (IncidentKind::Tunnel, 120));
    let summary = incident.summary();
    assert!(summary.contains("60 different names of example.com to 10.0.0.1 in "), "{summary}");
}

#[test]
fn generated_domains_are_one_incident_with_the_queries_before_it() {
    let mut grouper = grouper();
    let letters = |i: usize| (0..8).map(|k| (b'a' + (i * 31 + k * k * 17 + i * k * 5) as u8 % 26) as char).collect();
    for i in 0..60 {
        let name: String = letters(i);
        let name = format!("{name}.com");
        let rcode = Some(if i % 4 == 0 { 0 } else { 3 });
        observe_query(&mut grouper, &DnsQuery { rcode, ..query(name.as_bytes(), i as i64) }, (10..20).contains(&i));
        observe_query(&mut grouper, &query(b"www.example.com", i as i64), false);
    }
    let incidents = closed(grouper);
    assert_eq!((incidents.len(), incidents[0].kind), (1, IncidentKind::GeneratedDomains));
    let summary = incidents[0].summary();
    assert!(summary.starts_with("10.0.0.5 queried 45 nonexistent and "), "{summary}");
    assert!(summary.contains(" random-looking domains such as ") && summary.ends_with(" in 59s"), "{summary}");
    assert_eq!(incidents[0].attack(), ["T1568.002"]);
}

#[test]
fn new_domains_that_look_like_words_are_not_generated() {
    let mut grouper = grouper();
    for i in 0..40 {
        // One in five looks random.
        let name = if i % 5 == 0 { format!("xq{i}zkvjw.com") } else { format!("www.newspaper{i}.com") };
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!(incident.kind, IncidentKind::Other, "{}", incident.summary());
}

#[test]
fn names_guessed_at_a_server_are_a_scan() {
    let mut grouper = grouper();
    for i in 0..60 {
        let name = format!("host{i}.example.com");
        let rcode = Some(if i % 4 == 0 { 0 } else { 3 });
        observe_query(&mut grouper, &DnsQuery { rcode, ..query(name.as_bytes(), i) }, (10..20).contains(&i));
    }
    let incident = closed(grouper).remove(0);
    assert_eq!((incident.kind, incident.attack()), (IncidentKind::Scan, &["T1590.002"][..]));
    assert_eq!(
        incident.summary(),
        "10.0.0.5 asked 10.0.0.1 for 60 different names of example.com and 1 type in 59s; 45 of 60 queries for names that \
         do not exist"
    );
}

#[test]
fn both_logs_of_one_client_give_one_incident() {
    let mut grouper = grouper();
    for i in 0..40 {
        let name = format!("{:040x}.example.com", i * 7919);
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
    }
    observe(&mut grouper, &tcp(host(5), remote(1), 4444, 41 * SECOND, ConnState::SF), true, None);
    let incidents = closed(grouper);
    assert_eq!((incidents.len(), incidents[0].kind), (1, IncidentKind::Tunnel));
    assert_eq!(incidents[0].records_text(), "1 connection and 40 queries");
    // A connection and its queries have one identifier.
    assert_eq!(incidents[0].uids().collect::<Vec<_>>(), [b"C1"]);
    assert!(incidents[0].summary().ends_with("; it also made 1 connection"), "{}", incidents[0].summary());
}

#[test]
fn clients_of_one_resolver_have_separate_incidents() {
    let mut grouper = grouper();
    for i in 0..40 {
        observe_query(&mut grouper, &DnsQuery { client: host(20 + i), ..query(b"odd.example.com", i.into()) }, true);
    }
    let incidents = closed(grouper);
    assert_eq!(incidents.len(), 40);
    assert_eq!(incidents[0].summary(), "10.0.0.20 sent an unusual query for names of example.com to 10.0.0.1");
}

#[test]
fn an_incident_keeps_the_eight_domains_with_most_alerts() {
    let mut grouper = grouper();
    for i in 0..200 {
        let name = format!("www.domain{i}.com");
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
        observe_query(&mut grouper, &query(format!("{i:040}.example.com").as_bytes(), i), true);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!(incident.services.len(), MAX_DOMAINS);
    assert_eq!(incident.kind, IncidentKind::Tunnel, "{}", incident.summary());
}

/// Incident of 40 queries for as many domains, the tenth of which is due for a report of evidence.
fn incident_of_new_domains(rcode: u64, adds_to_fan_out: fn(i64) -> bool) -> Incident {
    let mut grouper = grouper();
    for i in 0..40 {
        let name = format!("some-word-{i}.com");
        let query = DnsQuery { rcode: Some(rcode), ..query(name.as_bytes(), i) };
        let evidence = (i == 9).then_some(Evidence::FanOut(10));
        let verdict = Verdict { evidence, adds_to_fan_out: adds_to_fan_out(i), ..verdict(false) };
        observe_with(&mut grouper, &query, verdict, &[]);
    }
    closed(grouper).remove(0)
}

#[test]
fn evidence_of_new_domains_opens_an_incident_of_generated_domains() {
    let incident = incident_of_new_domains(3, |_| false);
    assert_eq!((incident.kind, incident.records), (IncidentKind::GeneratedDomains, 40));
}

#[test]
fn unusual_queries_for_new_domains_are_one_incident() {
    assert_eq!(incident_of_new_domains(0, |i| i % 2 == 1).records, 20);
}
