//! Tests of risk of hosts.

use super::*;

#[test]
fn host_risk_decays_and_lists_its_contributions() {
    let mut grouper = grouper();
    observe(&mut grouper, &tcp(host(1), remote(1), 80, 0, ConnState::SF), true, None);
    observe(&mut grouper, &tcp(host(2), remote(1), 80, 86_400 * SECOND, ConnState::SF), true, Some(9));
    observe(&mut grouper, &tcp(host(2), remote(2), 80, 86_401 * SECOND, ConnState::SF), true, None);
    let incidents = closed(grouper);
    let now = incidents[1].last;
    let risks = host_risk::host_risks(&incidents, now);
    assert_eq!(risks.iter().map(|risk| risk.host).collect::<Vec<_>>(), [host(2), host(1)]);
    let alone = -(1.0f64 - 0.7).log2();
    assert!((risks[1].risk - alone / 2.0).abs() < 1e-4, "{}", risks[1].risk);
    assert_eq!(risks[0].contributions.len(), 1);
}

#[test]
fn stored_risk_ends_when_it_has_decayed() {
    let mut grouper = grouper();
    observe(&mut grouper, &tcp(host(1), remote(1), 80, 0, ConnState::SF), true, None);
    let incident = closed(grouper).remove(0);
    let mut table = RiskTable::default();
    table.add(&incident);
    table.add(&Incident { known: true, actor: host(2), ..incident.clone() });
    let at = |table: &mut RiskTable, days: i64| table.risks(std::iter::empty(), days * 86_400 * SECOND);
    assert_eq!(at(&mut table, 0).iter().map(|risk| risk.host).collect::<Vec<_>>(), [host(1)]);
    assert_eq!((at(&mut table, 30).len(), at(&mut table, 0).len()), (0, 0));
    for _ in 0..5000 {
        table.add(&incident);
    }
    assert_eq!(at(&mut table, 0)[0].contributions.len(), 4096);
}

#[test]
fn a_record_of_a_clock_that_ran_ahead_does_not_end_the_risk_of_hosts() {
    let mut grouper = grouper();
    let year = 365 * 86_400 * SECOND;
    observe(&mut grouper, &tcp(host(1), remote(1), 80, 73 * year, ConnState::SF), true, None);
    observe(&mut grouper, &tcp(host(2), remote(1), 80, 55 * year, ConnState::SF), true, None);
    assert_eq!(grouper.now(), 55 * year + SECOND / 10);
    observe(&mut grouper, &tcp(host(2), remote(1), 80, 55 * year - 3600 * SECOND, ConnState::SF), true, None);
    assert_eq!(grouper.now(), 55 * year + SECOND / 10);
}
