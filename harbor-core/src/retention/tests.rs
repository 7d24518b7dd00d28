use proptest::prelude::*;

use super::*;
use crate::Timestamp;
use crate::selector::{KIND, Of, Selector};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn tags(decoration: &str, pattern: &str, extras: &str) -> Selector {
    Selector::parse(Of::Tags, KIND, decoration, pattern, extras).unwrap()
}

fn repositories(decoration: &str, pattern: &str) -> Selector {
    Selector::parse(Of::Repositories, KIND, decoration, pattern, "").unwrap()
}

fn rule(template: Template, number: u32, selectors: Vec<Selector>) -> Rule {
    Rule::new(template, Some(number), selectors, vec![repositories("repoMatches", "**")])
}

fn every(template: Template, number: u32) -> Rule {
    rule(template, number, vec![tags("matches", "**", "")])
}

/// Pushed at, pulled at (0: never), and tags of the same moments.
fn candidate(pushed: i64, pulled: i64, names: &[&str]) -> Candidate {
    let pulled = Some(pulled).filter(|pulled| *pulled > 0).map(at);
    names.iter().fold(Candidate::new(at(pushed), pulled), |candidate, name| {
        candidate.tag(name.parse().unwrap(), at(pushed), pulled)
    })
}

fn verdicts(rules: &[Rule], by: By, now: Timestamp, candidates: &[Candidate]) -> Vec<Verdict> {
    let mut evaluation = Evaluation::new(rules.iter().enumerate(), by, now);
    candidates.iter().for_each(|candidate| evaluation.add(candidate));
    evaluation.finish()
}

fn kept(rules: &[Rule], now: i64, candidates: &[Candidate]) -> Vec<usize> {
    let verdicts = verdicts(rules, By::Artifact, at(now), candidates);
    let stays = verdicts.iter().enumerate().filter(|(_, verdict)| verdict.stays());
    stays.map(|(place, _)| place).collect()
}

const DAY: i64 = 24 * 60 * 60;

#[test]
fn templates() {
    let now = 100 * DAY;
    let some = [
        candidate(10 * DAY, 99 * DAY, &["a"]),
        candidate(98 * DAY, 0, &["b"]),
        candidate(97 * DAY, 97 * DAY, &["c"]),
        candidate(now - 30 * DAY, 0, &[]),
        candidate(now - 30 * DAY - 1, now - 30 * DAY, &["d", "e"]),
    ];
    for (template, number, expected) in [
        (Template::LatestPushed, 0, vec![]),
        (Template::LatestPushed, 2, vec![1, 2]),
        (Template::LatestPushed, 9, vec![0, 1, 2, 3, 4]),
        (Template::LatestPulled, 1, vec![0]),
        (Template::LatestPulled, 3, vec![0, 2, 4]),
        // Never pulled: the later of both.
        (Template::LatestPulled, 4, vec![0, 2, 3, 4]),
        (Template::LatestActive, 2, vec![0, 1]),
        (Template::PushedWithin, 30, vec![1, 2, 3]),
        (Template::LastDays, 30, vec![1, 2, 3]),
        (Template::PulledWithin, 30, vec![0, 2, 4]),
        (Template::PulledWithin, 1, vec![0]),
        (Template::Always, 0, vec![0, 1, 2, 3, 4]),
    ] {
        assert_eq!(kept(&[every(template, number)], now, &some), expected, "{template:?} {number}");
    }
    let without = Rule { number: None, ..every(Template::PushedWithin, 0) };
    assert_eq!(kept(&[without], now, &some), [1, 2, 3], "30 days without a number");
    assert!(Template::ALL.into_iter().all(|known| Template::named(known.as_str()) == Some(known)));
}

#[test]
fn an_artifact_is_as_young_as_its_youngest_tag() {
    let (old, late) = (candidate(1, 0, &["a"]), candidate(1, 0, &["b"]));
    let late = late.tag("c".parse().unwrap(), at(9), Some(at(7)));
    let between = candidate(5, 6, &["d"]);
    let all = [old, late, between];
    assert_eq!(kept(&[every(Template::LatestPushed, 1)], 10, &all), [1]);
    assert_eq!(kept(&[every(Template::LatestPulled, 1)], 10, &all), [1]);
}

#[test]
fn selectors_of_tags() {
    let (yes, no) = (r#"{"untagged":true}"#, r#"{"untagged":false}"#);
    let some = [
        candidate(1, 0, &["v1"]),
        candidate(2, 0, &["dev"]),
        candidate(3, 0, &["v2", "dev2"]),
        candidate(4, 0, &[]),
    ];
    for (selectors, expected) in [
        (vec![("matches", "v*", "")], vec![0, 2, 3]),
        (vec![("matches", "v*", yes)], vec![0, 2, 3]),
        (vec![("matches", "v*", no)], vec![0, 2]),
        (vec![("matches", "", no)], vec![0, 1, 2]),
        (vec![("matches", "v*", "no JSON")], vec![0, 2, 3]),
        // One tag that is not excluded is enough.
        (vec![("excludes", "v*", "")], vec![1, 2, 3]),
        (vec![("excludes", "v*", yes)], vec![1, 2]),
        (vec![("excludes", "v*", no)], vec![1, 2, 3]),
        (vec![("excludes", "**", "")], vec![3]),
        (vec![("matches", "{v1,dev*}", no)], vec![0, 1, 2]),
        // All must select it, each by a tag of its own.
        (vec![("matches", "v*", no), ("matches", "dev*", "")], vec![2]),
        (vec![("matches", "**", ""), ("excludes", "v1", "")], vec![1, 2, 3]),
    ] {
        let selectors_of =
            selectors.iter().map(|(word, pattern, extras)| tags(word, pattern, extras)).collect();
        assert_eq!(kept(&[rule(Template::Always, 0, selectors_of)], 9, &some), expected, "{selectors:?}");
    }
}

#[test]
fn what_one_rule_keeps_is_kept() {
    let some = [candidate(1, 0, &["v1"]), candidate(2, 0, &["dev"]), candidate(3, 0, &["v2"])];
    let rules = [
        rule(Template::LatestPushed, 1, vec![tags("matches", "v*", "")]),
        rule(Template::Always, 0, vec![tags("matches", "dev", "")]),
        every(Template::LatestPushed, 1),
    ];
    let found = verdicts(&rules, By::Artifact, at(9), &some);
    let keepers: Vec<_> = found.into_iter().map(|verdict| verdict.artifact).collect();
    assert_eq!(keepers, [None, Some(1), Some(0)]);
}

#[test]
fn by_tag() {
    let some = [
        candidate(1, 0, &["v1"]).tag("v9".parse().unwrap(), at(9), None),
        candidate(2, 0, &["v2"]),
        candidate(3, 0, &[]),
    ];
    let untagged = r#"{"untagged":false}"#;
    let found = |rules: &[Rule]| verdicts(rules, By::Tag, at(10), &some);
    let tag_alone = found(&[rule(Template::LatestPushed, 1, vec![tags("matches", "v*", untagged)])]);
    let verdict = |artifact, tags: &[Option<usize>]| Verdict { artifact, tags: tags.to_vec() };
    assert_eq!(tag_alone, [verdict(None, &[None, Some(0)]), verdict(None, &[None]), verdict(None, &[])]);
    assert_eq!(tag_alone.iter().map(Verdict::stays).collect::<Vec<_>>(), [true, false, false]);
    // What would have no tags is counted among those that have none, and not among tags.
    let both = found(&[every(Template::LatestPushed, 1)]);
    assert_eq!(both, [verdict(None, &[None, Some(0)]), verdict(None, &[None]), verdict(Some(0), &[])]);
    let two = found(&[every(Template::LatestPushed, 2)]);
    assert_eq!(two, [verdict(None, &[None, Some(0)]), verdict(None, &[Some(0)]), verdict(Some(0), &[])]);
}

#[test]
fn repositories_that_a_rule_is_about() {
    let about = |selectors: Vec<Selector>, name: &str| {
        let rule = Rule { repositories: selectors, ..every(Template::Always, 0) };
        Retention::new(By::Artifact, vec![rule]).about(&name.parse().unwrap()).len() == 1
    };
    assert!(about(vec![repositories("repoMatches", "a/**")], "p/a/b"));
    assert!(!about(vec![repositories("repoMatches", "p/a/**")], "p/a/b"));
    assert!(!about(vec![repositories("repoExcludes", "{a,b}")], "p/a"));
    assert!(about(vec![repositories("repoExcludes", "{a,b}")], "p/c"));
    assert!(!about(vec![repositories("repoMatches", "**"), repositories("repoExcludes", "a")], "p/a"));
    let disabled = Rule { disabled: true, ..every(Template::Always, 0) };
    let policy = Retention::new(By::Artifact, vec![disabled, every(Template::Always, 0)]);
    let places: Vec<_> = policy.about(&"p/a".parse().unwrap()).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [1]);
}

#[test]
fn checked() {
    let policy = |rules: Vec<Rule>| Retention::new(By::Artifact, rules).check();
    let numbered = |number: u32| every(Template::LatestPushed, number);
    assert!(policy(Vec::new()).is_ok() && policy((0..15).map(numbered).collect()).is_ok());
    assert!(matches!(policy((0..16).map(numbered).collect()), Err(Error::BadRequest(_))));
    let twice = vec![numbered(1), Rule { id: 7, ..numbered(1) }];
    assert!(matches!(policy(twice), Err(Error::Conflict(_))));
    assert!(policy(vec![numbered(1), Rule { disabled: true, ..numbered(1) }]).is_ok(), "that is another one");
    assert!(policy(vec![numbered(32_766)]).is_ok());
    let long = |letter: char| Rule {
        tags: vec![tags("matches", &letter.to_string().repeat(400), "")],
        ..numbered(1)
    };
    let wrong = [
        vec![numbered(32_767)],
        vec![Rule { tags: Vec::new(), ..numbered(1) }],
        vec![Rule { repositories: Vec::new(), ..numbered(1) }],
        vec![Rule { tags: vec![tags("matches", "a", ""); 17], ..numbered(1) }],
        ('a'..='k').map(long).collect(),
    ];
    for rules in wrong {
        assert!(matches!(policy(rules.clone()), Err(Error::BadRequest(_))), "{rules:?}");
    }
}

/// Policies that earlier versions wrote. A new form is added; none is ever removed.
#[test]
fn every_stored_form_still_loads() {
    let whole = Rule {
        id: 3,
        priority: -1,
        disabled: true,
        template: Template::PulledWithin,
        number: Some(7),
        tags: vec![tags("excludes", "v*", r#"{"untagged":true}"#)],
        repositories: vec![repositories("repoExcludes", "{a,b}")],
    };
    let stored = r#"{"v":1,"by":"tag","rules":[{"id":3,"priority":-1,"disabled":true,
        "template":"nDaysSinceLastPull","number":7,
        "tags":[{"decoration":"excludes","pattern":"v*","extras":"{\"untagged\":true}"}],
        "repositories":[{"decoration":"excludes","pattern":"{a,b}"}]}],
        "cron":"0 0 0 * * *","time_zone":"Europe/Berlin"}"#;
    let policy = Retention {
        cron: "0 0 0 * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        ..Retention::new(By::Tag, vec![whole])
    };
    assert_eq!(Retention::read(stored).unwrap(), policy);
    assert_eq!(Retention::read(&policy.write().unwrap()).unwrap(), policy);
    assert_eq!(Retention::read(r#"{"v":1}"#).unwrap(), Retention::default());
    let newer = Retention::read(&stored.replace(r#""v":1"#, r#""v":2"#)).unwrap_err();
    assert_eq!(newer.kind(), StoreErrorKind::TooNew);
    assert_eq!(Retention::read("{}").unwrap_err().kind(), StoreErrorKind::Corrupt);
}

/// What a rule keeps, found the long way: sorted, and counted off.
fn naive(rule: &Rule, now: Timestamp, units: &[(Timestamp, Option<Timestamp>, bool)]) -> Vec<usize> {
    let number = rule.number.unwrap_or_else(|| rule.template.default_number());
    let time = |place: usize| {
        let (pushed, pulled, _) = units[place];
        match rule.template {
            Template::LatestPulled | Template::PulledWithin => pulled.unwrap_or_default(),
            Template::LatestActive => pushed.max(pulled.unwrap_or_default()),
            _ => pushed,
        }
    };
    let mut about: Vec<usize> = (0..units.len()).filter(|place| units[*place].2).collect();
    match rule.template {
        Template::Always => {}
        Template::LatestPushed | Template::LatestPulled | Template::LatestActive => {
            about.sort_by_key(|place| (time(*place), *place));
            about.reverse();
            about.truncate(number as usize);
        }
        _ => {
            about.retain(|place| now.micros() - time(*place).micros() <= i64::from(number) * DAY * 1_000_000)
        }
    }
    about
}

/// Whether each selector selects one of some names, or what has none.
fn about(rule: &Rule, names: &[&str]) -> bool {
    rule.tags.iter().all(|selector| {
        let excludes = selector.decoration == crate::selector::Decoration::Excludes;
        let says = |what: bool| selector.extras.contains(&format!("\"untagged\":{what}"));
        if names.is_empty() {
            return if excludes { !says(true) } else { !says(false) };
        }
        names.iter().any(|name| selector.pattern.matches(name) != excludes)
    })
}

/// The places of what is kept by some rule.
fn union(rules: &[Rule], now: Timestamp, units: &[(Timestamp, Option<Timestamp>, Vec<&str>)]) -> Vec<bool> {
    let mut all = vec![false; units.len()];
    for rule in rules {
        let seen: Vec<_> =
            units.iter().map(|(pushed, pulled, names)| (*pushed, *pulled, about(rule, names))).collect();
        naive(rule, now, &seen).into_iter().for_each(|place| all[place] = true);
    }
    all
}

fn names(candidate: &Candidate) -> Vec<&str> {
    candidate.tags.iter().map(|tag| tag.name.as_str()).collect()
}

/// What is kept by artifact, the long way.
fn artifacts(rules: &[Rule], now: Timestamp, candidates: &[Candidate]) -> Vec<bool> {
    let unit = |candidate: &Candidate| {
        let mut pushed = vec![candidate.pushed];
        pushed.extend(candidate.tags.iter().map(|tag| tag.pushed));
        let mut pulled = vec![candidate.pulled];
        pulled.extend(candidate.tags.iter().map(|tag| tag.pulled));
        (pushed.into_iter().max().unwrap(), pulled.into_iter().max().unwrap(), ())
    };
    let units: Vec<_> = candidates
        .iter()
        .map(|candidate| {
            let (pushed, pulled, ()) = unit(candidate);
            (pushed, pulled, names(candidate))
        })
        .collect();
    union(rules, now, &units)
}

/// What is kept by tag, the long way: of each candidate, its tags and whether it stays without.
fn by_tags(rules: &[Rule], now: Timestamp, candidates: &[Candidate]) -> Vec<(Vec<bool>, bool)> {
    let tags: Vec<_> = candidates.iter().flat_map(|candidate| &candidate.tags).collect();
    let units: Vec<_> = tags.iter().map(|tag| (tag.pushed, tag.pulled, vec![tag.name.as_str()])).collect();
    let mut kept = union(rules, now, &units).into_iter();
    let kept: Vec<Vec<bool>> =
        candidates.iter().map(|candidate| kept.by_ref().take(candidate.tags.len()).collect()).collect();
    let bare: Vec<usize> = (0..candidates.len()).filter(|place| !kept[*place].contains(&true)).collect();
    let units: Vec<_> =
        bare.iter().map(|place| (candidates[*place].pushed, candidates[*place].pulled, Vec::new())).collect();
    let stays = union(rules, now, &units);
    let alone = |place| bare.iter().position(|bare| *bare == place).is_some_and(|at| stays[at]);
    kept.into_iter().enumerate().map(|(place, tags)| (tags, alone(place))).collect()
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let pattern = prop::sample::select(vec!["**", "v*", "{a,b}*", "?", "[a-m]*", "", "latest"]);
    let extras = prop::sample::select(vec!["", r#"{"untagged":true}"#, r#"{"untagged":false}"#]);
    (prop::sample::select(vec!["matches", "excludes"]), pattern, extras)
        .prop_map(|(decoration, pattern, extras)| tags(decoration, pattern, extras))
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let template = prop::sample::select(Template::ALL.to_vec());
    (template, prop::option::of(0_u32..12), prop::collection::vec(any_selector(), 1..3))
        .prop_map(|(template, number, tags)| Rule { number, ..rule(template, 0, tags) })
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let moment = || (0_i64..40).prop_map(|day| at(day * DAY));
    let pulled = move || prop::option::of((1_i64..40).prop_map(|day| at(day * DAY)));
    let tag = (prop::sample::select(vec!["v1", "v2", "a1", "b", "latest", "z9"]), moment(), pulled());
    (moment(), pulled(), prop::collection::vec(tag, 0..4)).prop_map(|(pushed, pulled, tags)| {
        tags.into_iter().fold(Candidate::new(pushed, pulled), |candidate, (name, pushed, pulled)| {
            candidate.tag(name.parse().unwrap(), pushed, pulled)
        })
    })
}

#[tokio::test]
async fn one_artifact_of_many_tags_leaves_turns_to_others() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let names: Vec<String> = (0..1000).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let all = [candidate(1, 0, &names), candidate(2, 0, &[])];
    let rules = [
        rule(Template::Always, 0, vec![tags("matches", "v*", "")]),
        rule(Template::LatestPushed, 5, vec![tags("matches", "t9*", "")]),
    ];
    for by in [By::Artifact, By::Tag] {
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        });
        let mut evaluation = Evaluation::new(rules.iter().enumerate(), by, at(9));
        for candidate in &all {
            evaluation.add_in_turns(candidate).await;
        }
        other.abort();
        assert!(turns.load(Ordering::SeqCst) >= names.len() / TURN, "{by:?}: {turns:?}");
        assert_eq!(evaluation.finish(), verdicts(&rules, by, at(9), &all));
    }
}

proptest! {
    #[test]
    fn as_found_the_long_way(
        rules in prop::collection::vec(any_rule(), 0..4),
        candidates in prop::collection::vec(any_candidate(), 0..24),
    ) {
        let now = at(40 * DAY);
        let found = verdicts(&rules, By::Artifact, now, &candidates);
        let stays: Vec<bool> = found.iter().map(Verdict::stays).collect();
        prop_assert_eq!(stays, artifacts(&rules, now, &candidates));
        let found: Vec<(Vec<bool>, bool)> = verdicts(&rules, By::Tag, now, &candidates)
            .into_iter()
            .map(|verdict| (verdict.tags.iter().map(Option::is_some).collect(), verdict.artifact.is_some()))
            .collect();
        prop_assert_eq!(found, by_tags(&rules, now, &candidates));
    }

    /// What stays is kept again: a second run deletes nothing.
    #[test]
    fn the_second_time_nothing_goes(
        rules in prop::collection::vec(any_rule(), 1..4),
        candidates in prop::collection::vec(any_candidate(), 0..24),
    ) {
        let now = at(40 * DAY);
        for by in [By::Artifact, By::Tag] {
            let first = verdicts(&rules, by, now, &candidates);
            let mut left = Vec::new();
            for (candidate, verdict) in candidates.iter().zip(&first).filter(|(_, verdict)| verdict.stays()) {
                let mut candidate = candidate.clone();
                let mut kept = verdict.tags.iter();
                candidate.tags.retain(|_| by == By::Artifact || kept.next().unwrap().is_some());
                left.push(candidate);
            }
            let second = verdicts(&rules, by, now, &left);
            prop_assert!(second.iter().all(Verdict::stays), "{:?} {:?}", by, second);
            let gone = second.iter().flat_map(|verdict| &verdict.tags).filter(|kept| kept.is_none()).count();
            prop_assert_eq!(gone, 0);
        }
    }
}
