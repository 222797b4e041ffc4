//! Tests of a reservoir's contents: statistics over many seeds, and invariants.

use super::*;
use crate::schema::{LogKind, MAX_COLUMNS};
use crate::units::DAY;

fn row(i: usize) -> FeatureRow {
    let mut row = [0.0; MAX_COLUMNS];
    row[..LogKind::Conn.schema().stored()].fill(i as f32);
    row
}

fn numbers(reservoir: &Reservoir) -> Vec<usize> {
    let mut numbers: Vec<_> = reservoir.rows().map(|row| row[0] as usize).collect();
    numbers.sort_unstable();
    numbers
}

impl Reservoir {
    /// Rows ordered by key: a random order that depends only on the rows.
    pub(crate) fn rows_by_key(&self) -> impl ExactSizeIterator<Item = &FeatureRow> {
        self.by_key.iter().map(|&(_, place)| &self.entries.get(place as usize).row)
    }
}

/// Number of times that each of 0..n stayed in the sample, over many seeds.
fn stayed(n: usize, seeds: u64, mut draw: impl FnMut(u64) -> Reservoir) -> Vec<f64> {
    let mut stayed = vec![0.0; n];
    for seed in 0..seeds {
        draw(seed).rows().for_each(|row| stayed[row[0] as usize] += 1.0);
    }
    stayed
}

/// Pearson's statistic of counts with equal expectations.
fn chi_squared(counts: &[f64], expected: &[f64]) -> f64 {
    counts.iter().zip(expected).map(|(n, e)| (n - e) * (n - e) / e).sum()
}

#[test]
fn all_rows_stay_until_the_reservoir_is_full() {
    let mut reservoir = Reservoir::new(Sampling::uniform(10), 1);
    (0..10).for_each(|i| reservoir.offer(&row(i), 0, QuotaGroup::default()));
    assert!(reservoir.rows().copied().eq((0..10).map(row)));
    assert_eq!(reservoir.bound().map(|bound| bound < 1.0), Some(true));
}

#[test]
fn every_row_is_equally_likely_to_stay() {
    let stayed = stayed(100, 2000, |seed| {
        let mut reservoir = Reservoir::new(Sampling::uniform(10), seed);
        (0..100).for_each(|i| reservoir.offer(&row(i), i as i64, QuotaGroup::default()));
        assert_eq!((reservoir.len(), reservoir.seen(), reservoir.span()), (10, 100, Some((0, 99))));
        reservoir
    });
    // 99 degrees of freedom: 160 is exceeded once in 10,000 tries.
    assert!(chi_squared(&stayed, &[200.0; 100]) < 160.0, "{stayed:?}");
}

#[test]
fn merged_sample_equals_that_of_a_single_pass() {
    // Three workers that see 60, 30 and 10 of a hundred connections.
    let worker = |i: usize| [0, 60, 90, 100].iter().filter(|&&from| i >= from).count() - 1;
    let merged = stayed(100, 4000, |seed| {
        let mut workers = [0; 3].map(|_| Reservoir::new(Sampling::uniform(10), seed));
        (0..100).for_each(|i| workers[worker(i)].offer(&row(i), i as i64, QuotaGroup::default()));
        let mut merged = Reservoir::new(Sampling::uniform(10), 0);
        workers.iter().for_each(|worker| merged.merge(worker).unwrap());
        assert_eq!((merged.len(), merged.seen(), merged.span()), (10, 100, Some((0, 99))));
        merged
    });
    assert!(chi_squared(&merged, &[400.0; 100]) < 160.0, "{merged:?}");

    // Each pair of rows is together as often as by chance, also across workers: 4000 · 10/100 · 9/99.
    let mut together = 0;
    for seed in 0..4000 {
        let mut workers = [0; 3].map(|_| Reservoir::new(Sampling::uniform(10), seed));
        (0..100).for_each(|i| workers[worker(i)].offer(&row(i), i as i64, QuotaGroup::default()));
        let mut merged = Reservoir::new(Sampling::uniform(10), 0);
        workers.iter().for_each(|worker| merged.merge(worker).unwrap());
        // The first row of each worker, where equal random streams would show.
        let kept = numbers(&merged);
        together += [(0, 60), (0, 90), (60, 90)].iter().filter(|(a, b)| kept.contains(a) && kept.contains(b)).count();
    }
    // 109 expected; five standard deviations are 52.
    assert!((57..=161).contains(&together), "{together}");
}

#[test]
fn merging_is_exact_in_any_order() {
    let sampling = Sampling { capacity: 50, half_life: Some(DAY), quota: Some(8) };
    for seed in 0..50 {
        let mut whole = Reservoir::new(sampling, seed);
        let mut parts: Vec<_> = (0..4).map(|_| Reservoir::new(sampling, 0)).collect();
        for i in 0..1000 {
            whole.sampling.capacity = 1000;
            whole.sampling.quota = None;
            whole.offer(&row(i), i as i64 * DAY / 100, QuotaGroup(i as u64 % 7 * 2));
        }
        // The same keys, divided into parts.
        for (i, entry) in whole.entries.iter().enumerate() {
            parts[(i * i) % 4].insert(*entry);
        }
        let mut single = Reservoir::new(sampling, seed);
        whole.entries.iter().for_each(|&entry| _ = single.insert(entry));
        let mut forth = Reservoir::new(sampling, seed);
        parts.iter().for_each(|part| forth.merge(part).unwrap());
        let mut back = Reservoir::new(sampling, seed);
        parts.iter().rev().for_each(|part| back.merge(part).unwrap());
        parts.iter().for_each(|part| back.merge(part).unwrap());
        assert!(single.rows_by_key().eq(forth.rows_by_key()) && single.rows_by_key().eq(back.rows_by_key()));
        assert!(forth.group_sizes.values().all(|&size| size <= 8));
    }
}

#[test]
fn a_row_counts_half_after_the_half_life() {
    let sampling = Sampling { capacity: 20, half_life: Some(DAY), quota: None };
    let ages = stayed(2, 3000, |seed| {
        let mut reservoir = Reservoir::new(sampling, seed);
        // Present-day times, at which the weight itself would be 2^19000.
        (0..2000)
            .for_each(|i| reservoir.offer(&row(i / 1000), (19_000 + i as i64 / 1000) * DAY, QuotaGroup::default()));
        reservoir
    });
    let share = ages[0] / (ages[0] + ages[1]);
    // A third, with a tolerance of five standard deviations of 60,000 draws.
    assert!((share - 1.0 / 3.0).abs() < 0.01, "{share}");
}

#[test]
fn corrected_clock_repairs_the_reservoir() {
    let sampling = Sampling { capacity: 200, half_life: Some(DAY), quota: Some(500) };
    let (today, ahead) = (19_000 * DAY, 40_000 * DAY);
    let mut kept = [0, 0];
    for seed in 0..30 {
        let mut reservoir = Reservoir::new(sampling, seed);
        let mut offer = |i, ts| reservoir.offer(&row(i), ts, QuotaGroup(i as u64 / 100 * 2));
        // 2,000 rows with a correct clock, then 2,000 with a clock that is decades ahead.
        (0..2000).for_each(|i| offer(i, today));
        (2000..4000).for_each(|i| offer(i, ahead + i as i64));
        reservoir.not_after(today);
        // The interval of the rows dated ahead keeps its length and ends today.
        assert_eq!(reservoir.span(), Some((today - 1999, today)));
        (4000..6000).for_each(|i| reservoir.offer(&row(i), today, QuotaGroup(i as u64 / 100 * 2)));
        assert_eq!(reservoir.len(), 200);
        kept[0] += numbers(&reservoir).into_iter().filter(|i| (2000..4000).contains(i)).count();
        kept[1] += numbers(&reservoir).into_iter().filter(|i| *i >= 4000).count();
        // The invariants of keys and groups still hold.
        let again = Reservoir::from_bytes(&reservoir.to_bytes(), 1).unwrap();
        assert!(again.rows_by_key().eq(reservoir.rows_by_key()));
    }
    // The rows dated ahead had displaced the first 2,000. Redated, they compete on equal terms with the new rows, which
    // get about half of the 200 places.
    assert!(kept[1] > 30 * 90, "{kept:?}");
}

#[test]
fn quota_limits_a_flood() {
    let sampling = Sampling { capacity: 1000, half_life: Some(7 * DAY), quota: Some(10) };
    let mut reservoir = Reservoir::new(sampling, 3);
    for i in 0..200_000usize {
        let flood = i % 100 != 0;
        reservoir.offer(&row(i), i as i64, QuotaGroup(if flood { 0 } else { 2 * i as u64 }));
    }
    let flood = numbers(&reservoir).into_iter().filter(|i| i % 100 != 0).count();
    assert_eq!((flood, reservoir.len()), (10, 1000));
}

#[test]
fn taken_and_remaining_rows_are_all_rows() {
    let sampling = Sampling { capacity: 100, half_life: None, quota: Some(30) };
    let mut reservoir = Reservoir::new(sampling, 5);
    (0..500).for_each(|i| reservoir.offer(&row(i), i as i64, QuotaGroup(i as u64 % 5 * 2)));
    let whole = reservoir.snapshot().by_key();
    let first = reservoir.take(40);
    assert_eq!((first.len(), first.seen(), reservoir.len(), reservoir.seen()), (40, 440, 60, 60));
    let mut again = Reservoir::new(sampling, 5);
    again.merge(&reservoir.take(usize::MAX)).unwrap();
    again.merge(&first).unwrap();
    assert!(again.rows_by_key().eq(whole.entries.iter().map(|entry| &entry.row)));
    assert_eq!((again.seen(), again.span()), (500, Some((0, 499))));
    assert!(reservoir.is_empty());
}

#[test]
fn bound_excludes_rows_the_larger_reservoir_would_reject() {
    let mut large = Reservoir::new(Sampling::uniform(100), 1);
    (0..10_000).for_each(|i| large.offer(&row(i), i as i64, QuotaGroup::default()));
    let mut small = Reservoir::new(Sampling::uniform(100), 2);
    small.set_bound(large.bound());
    (0..10_000).for_each(|i| small.offer(&row(i), -(i as i64), QuotaGroup::default()));
    assert!(small.bound() <= large.bound() && small.len() > 50);
    assert!(small.entries.iter().all(|entry| Some(entry.key.0) < large.bound()));
    // Rows that are already present are not needed either.
    let tighter = small.rows_by_key().nth(20).copied();
    small.set_bound(Some(small.by_key.iter().nth(20).unwrap().0.0));
    assert!(small.len() == 20 && !small.rows().any(|row| Some(*row) == tighter));
    assert!(Reservoir::from_bytes(&small.to_bytes(), 1).is_ok());
}

/// Twenty days of rows in eight groups, the first of which is a flood.
fn twenty_days(sampling: Sampling) -> Reservoir {
    let mut reservoir = Reservoir::new(sampling, 4);
    for i in 0..20_000i64 {
        let group = if i % 2 == 0 { 0 } else { i as u64 % 16 / 2 };
        reservoir.offer(&row(i as usize), i * DAY / 1000, QuotaGroup(group * 2));
    }
    reservoir
}

#[test]
fn shrinking_equals_a_smaller_reservoir_from_the_start() {
    let sampling = |capacity: usize| Sampling { capacity, half_life: Some(7 * DAY), quota: Some(capacity / 4) };
    let (small, large) = (twenty_days(sampling(200)), twenty_days(sampling(800)).resampled(sampling(200)));
    assert!(large.rows_by_key().eq(small.rows_by_key()));
    assert_eq!((large.seen(), large.span(), large.bound()), (small.seen(), small.span(), small.bound()));
    assert!(large.group_sizes.values().all(|&size| size <= 50));
}

#[test]
fn changed_half_life_reweighs_stored_rows() {
    let sampling = |half_life| Sampling { capacity: 30_000, half_life, quota: None };
    for (from, to) in [(Some(DAY), Some(9 * DAY)), (Some(9 * DAY), Some(DAY)), (None, Some(DAY)), (Some(DAY), None)] {
        let (before, meant) = (twenty_days(sampling(from)), twenty_days(sampling(to)));
        let after = before.resampled(sampling(to));
        for (a, b) in after.entries.iter().zip(meant.entries.iter()) {
            assert!(a.row == b.row && (a.key.0 - b.key.0).abs() < 1e-9, "{a:?} {b:?}");
        }
    }
    // Shrinking a full reservoir leaves the rows that a smaller one would have drawn.
    let full = |days| Sampling { capacity: 400, half_life: Some(days * DAY), quota: None };
    let after = twenty_days(full(10)).resampled(full(5));
    let meant = twenty_days(full(5));
    assert!((150..350).contains(&after.len()), "{}", after.len());
    assert!(after.rows_by_key().eq(meant.rows_by_key().take(after.len())));
    // A far shorter half-life would leave nearly nothing: all rows stay until new ones replace them.
    let mut after = twenty_days(full(10)).resampled(full(1));
    assert_eq!((after.len(), after.bound), (400, None));
    (0..1000).for_each(|i| after.offer(&row(30_000 + i), 21 * DAY, QuotaGroup::default()));
    assert_eq!(after.len(), 400);
    assert!(numbers(&after).into_iter().filter(|&i| i >= 30_000).count() > 150);
}

#[test]
fn grown_reservoir_weighs_old_and_new_rows_equally() {
    let mut new = 0;
    for seed in 0..200 {
        let mut reservoir = Reservoir::new(Sampling::uniform(100), seed);
        (0..10_000).for_each(|i| reservoir.offer(&row(i), i as i64, QuotaGroup::default()));
        let mut reservoir = reservoir.resampled(Sampling::uniform(200));
        assert_eq!(reservoir.len(), 100);
        (10_000..11_000).for_each(|i| reservoir.offer(&row(i), i as i64, QuotaGroup::default()));
        // A round trip through a file changes nothing.
        let mut reservoir = Reservoir::from_bytes(&reservoir.to_bytes(), seed + 1000).unwrap();
        (11_000..12_000).for_each(|i| reservoir.offer(&row(i), i as i64, QuotaGroup::default()));
        new += numbers(&reservoir).into_iter().filter(|&i| i >= 10_000).count();
    }
    // 2,000 of 12,000 are 20 of 120. Filled with new rows only, it would be 100.
    assert!((3600..4400).contains(&new), "{new}");
    // A tiny reservoir would keep too few rows.
    let mut tiny = Reservoir::new(Sampling::uniform(10), 1);
    (0..10_000).for_each(|i| tiny.offer(&row(i), i as i64, QuotaGroup::default()));
    let mut grown = tiny.resampled(Sampling::uniform(100));
    (0..90).for_each(|i| grown.offer(&row(i), i as i64, QuotaGroup::default()));
    assert_eq!(grown.len(), 100);
}

/// Rounded keys of different rows can be equal, and a malicious node could give all rows one key. Merging must not take
/// time quadratic in such rows.
#[test]
fn merges_many_rows_with_one_key_in_linear_time() {
    let sampling = Sampling { capacity: 200_000, half_life: Some(DAY), quota: None };
    for n in [3, 50_000, 100_000] {
        let of = |from: usize| {
            let mut reservoir = Reservoir::new(sampling, 1);
            let entries = (from..from + n).map(|i| Entry { key: Key(-1e9), group: QuotaGroup(2), ts: 7, row: row(i) });
            entries.for_each(|entry| assert!(reservoir.insert(entry)));
            reservoir.set_seen(n as u64, twenty_days(Sampling::uniform(1)).span, reservoir.counts.clone());
            Reservoir::from_bytes(&reservoir.to_bytes(), 1).unwrap()
        };
        // Half of the rows of the second are also in the first.
        let (mut merged, second) = (of(0), of(n / 2));
        (0..2).for_each(|_| merged.merge(&second).unwrap());
        assert_eq!(numbers(&merged), (0..n / 2 + n).collect::<Vec<_>>());
    }
}

#[test]
fn invalid_bound_clears_the_limit() {
    for (sampling, bounds) in [
        (Sampling::uniform(10), &[0.0, -1.0, 1.5, f64::NAN, f64::NEG_INFINITY, f64::INFINITY][..]),
        (Sampling { half_life: Some(DAY), ..Sampling::uniform(10) }, &[f64::NAN, f64::NEG_INFINITY, f64::INFINITY]),
    ] {
        let mut reservoir = Reservoir::new(sampling, 1);
        (0..10).for_each(|i| reservoir.offer(&row(i), 0, QuotaGroup::default()));
        for &bound in bounds {
            reservoir.set_bound(Some(bound));
            assert_eq!((reservoir.len(), reservoir.bound), (10, None), "{bound}");
        }
    }
}

#[test]
fn rejects_merging_different_sampling() {
    let mut uniform = Reservoir::new(Sampling::uniform(10), 1);
    let decaying = Reservoir::new(Sampling { half_life: Some(DAY), ..Sampling::uniform(10) }, 1);
    assert!(matches!(uniform.merge(&decaying).unwrap_err().kind(), ErrorKind::OtherSampling));
    assert!(uniform.merge(&Reservoir::new(Sampling::uniform(20), 1)).is_ok());
}

/// Connection rate of a reservoir.
fn per_day(reservoir: &Reservoir) -> f64 {
    reservoir.snapshot().unordered().connections_per_day()
}

/// Offers a day of rows at a steady rate, each of another group.
fn offer_day(reservoir: &mut Reservoir, day: i64, rows: i64) {
    for i in 0..rows {
        reservoir.offer(&row(i as usize), day * DAY + i * DAY / rows, QuotaGroup(((day * 100_000 + i) * 2) as u64));
    }
}

fn sensor(capacity: usize) -> Reservoir {
    Reservoir::new(Sampling::for_sensor(capacity, 7 * DAY), 1)
}

/// Alerts a day with a budget of 20 where `actual` connections a day arrive.
fn alerts(reservoir: &Reservoir, actual: f64) -> f64 {
    20.0 * actual / per_day(reservoir)
}

#[test]
fn a_budget_follows_growth() {
    let mut reservoir = sensor(500);
    (0..30).for_each(|day| offer_day(&mut reservoir, day, 400));
    assert!((alerts(&reservoir, 400.0) - 20.0).abs() < 1.0, "{}", alerts(&reservoir, 400.0));
    // Fivefold growth shows on the next day.
    let mut fivefold = Reservoir::from_bytes(&reservoir.to_bytes(), 2).unwrap();
    (30..32).for_each(|day| offer_day(&mut fivefold, day, 2000));
    assert!((20.0 / 1.5..=30.0).contains(&alerts(&fivefold, 2000.0)), "{}", alerts(&fivefold, 2000.0));
    // Tenfold growth, for a month.
    (30..60).for_each(|day| offer_day(&mut reservoir, day, 4000));
    assert!((20.0 / 1.5..=30.0).contains(&alerts(&reservoir, 4000.0)), "{}", alerts(&reservoir, 4000.0));
    assert_eq!(reservoir.seen(), 30 * 400 + 30 * 4000);
}

#[test]
fn a_budget_follows_growth_from_1_to_10_million_a_day() {
    let mut reservoir = sensor(500);
    for hour in 0..60 * 24 {
        let hourly = if hour < 30 * 24 { 1_000_000 / 24 } else { 10_000_000 / 24 };
        reservoir.offer(&row(1), hour * DAY / 24, QuotaGroup(2));
        reservoir.counts.iter_mut().for_each(|counts| counts.add(hour * DAY / 24, hourly - 1));
    }
    assert!((20.0 / 1.5..=30.0).contains(&alerts(&reservoir, 1e7)), "{}", alerts(&reservoir, 1e7));
}

#[test]
fn a_flood_of_one_group_does_not_lower_the_alert_rate() {
    let mut reservoir = sensor(8192);
    (0..20).for_each(|day| offer_day(&mut reservoir, day, 2000));
    let before = per_day(&reservoir);
    (0..300_000).for_each(|i| reservoir.offer(&row(i), 20 * DAY + i as i64, QuotaGroup(0)));
    assert!((before..=before * 1.5).contains(&per_day(&reservoir)), "{} after {before}", per_day(&reservoir));
}

#[test]
fn a_flood_of_one_group_does_not_lower_the_alert_rate_of_a_cluster() {
    // Each minute a worker sends its rows.
    let rate = |flood: usize| {
        let (mut worker, mut manager) = (sensor(8192), sensor(8192));
        for minute in 0..6 * 60 {
            let (start, hour) = (minute * DAY / 1440, minute as u64 / 60);
            for i in 0..50 + flood {
                let group = if i < 50 { i as u64 % 25 + 1 } else { 0 };
                worker.offer(&row(i), start + i as i64, QuotaGroup(2 * (1000 * hour + group)));
            }
            manager.merge(&worker.take(usize::MAX)).unwrap();
            worker.set_bound(manager.bound());
        }
        per_day(&manager)
    };
    let (before, after) = (rate(0), rate(500));
    assert!((before..=before * 1.5).contains(&after), "{after} after {before}");
}

#[test]
fn a_flood_from_everywhere_does_not_lower_the_alert_rate_permanently() {
    let mut reservoir = sensor(500);
    for hour in 0..90 * 24 {
        reservoir.offer(&row(1), hour * DAY / 24, QuotaGroup(2));
        let hourly = if hour == 20 * 24 { 1_000_000_000 } else { 1_000_000 / 24 };
        reservoir.counts.iter_mut().for_each(|counts| counts.add(hour * DAY / 24, hourly));
    }
    assert!((20.0 / 1.5..=30.0).contains(&alerts(&reservoir, 1e6)), "{}", alerts(&reservoir, 1e6));
}

#[test]
fn the_rate_does_not_depend_on_the_node_that_saw_the_rows() {
    let mut single = sensor(100_000);
    let mut workers = [(); 3].map(|()| sensor(100_000));
    for i in 0..20_000usize {
        let offered = (row(i), i as i64 * DAY / 1000, QuotaGroup(i as u64 * 2));
        single.offer(&offered.0, offered.1, offered.2);
        workers[i * i % 3].offer(&offered.0, offered.1, offered.2);
    }
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let mut merged = sensor(100_000);
        order.iter().for_each(|&worker| merged.merge(&workers[worker]).unwrap());
        assert_eq!((per_day(&merged), &merged.counts), (per_day(&single), &single.counts));
    }
    // Rows taken out in parts count once.
    let mut parts = sensor(100_000);
    parts.merge(&single.take(7000)).unwrap();
    parts.merge(&single.take(usize::MAX)).unwrap();
    assert_eq!(
        (per_day(&parts), parts.seen()),
        (
            per_day(&workers.iter().fold(sensor(100_000), |mut all, it| {
                all.merge(it).unwrap();
                all
            })),
            20_000
        )
    );
}

#[test]
fn changed_settings_keep_the_rate() {
    let drawn = |half_life| {
        let mut reservoir = Reservoir::new(Sampling { capacity: 500, half_life, quota: None }, 1);
        (0..20).for_each(|day| offer_day(&mut reservoir, day, 1000));
        reservoir
    };
    for (from, to) in
        [(None, Some(DAY)), (None, Some(30 * DAY)), (Some(DAY), Some(9 * DAY)), (Some(9 * DAY), Some(DAY))]
    {
        let reservoir = drawn(from).resampled(Sampling { capacity: 5000, half_life: to, quota: None });
        assert!((per_day(&reservoir) / 1000.0 - 1.0).abs() < 0.05, "{} from {from:?} to {to:?}", per_day(&reservoir));
    }
    assert!((per_day(&drawn(Some(DAY)).resampled(Sampling::uniform(100))) / 1000.0 - 1.0).abs() < 0.01);
}

#[test]
fn a_snapshot_does_not_change_with_its_reservoir() {
    let mut reservoir = twenty_days(Sampling { capacity: 700, half_life: Some(DAY), quota: Some(200) });
    let (snapshot, before) = (reservoir.snapshot(), reservoir.to_bytes());
    offer_day(&mut reservoir, 21, 3000);
    reservoir.not_after(20 * DAY);
    reservoir.take(100);
    assert_ne!(reservoir.to_bytes(), before);
    assert_eq!(snapshot.to_bytes(), before);
}
