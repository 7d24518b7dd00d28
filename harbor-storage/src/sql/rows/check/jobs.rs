//! Questions about jobs: schedules, executions, tasks and their logs.

use super::{Question, goes, no, unnamed};

/// An execution of a policy that is not there: policies go with their executions.
macro_rules! without_policy {
    () => {
        concat!(
            "(executions.kind = 'RETENTION' AND ",
            no!("executions", "subject_id", "retention_policies"),
            ") OR (executions.kind IN ('WEBHOOK', 'SLACK') AND ",
            no!("executions", "subject_id", "webhook_policies"),
            ")"
        )
    };
}

/// How many tasks of an execution are in a status.
macro_rules! tasks {
    ($status:literal) => {
        concat!(
            "(SELECT COUNT(*) FROM tasks t WHERE t.execution_id = executions.id AND t.status = '",
            $status,
            "')"
        )
    };
}

/// How many of them are not over.
macro_rules! open {
    () => {
        "(SELECT COUNT(*) FROM tasks t WHERE t.execution_id = executions.id AND t.status IN ('Pending', 'Running'))"
    };
}

/// A count of tasks that are over: of an execution that is tried again there may be fewer than it had.
macro_rules! at_least {
    ($figure:literal, $status:literal) => {
        concat!(
            $figure,
            " = CASE WHEN ",
            $figure,
            " < ",
            tasks!($status),
            " THEN ",
            tasks!($status),
            " ELSE ",
            $figure,
            " END"
        )
    };
}

/// An execution that says something else than its tasks. Of one that is over, tasks may be gone already.
macro_rules! miscounted {
    () => {
        concat!(
            "(ended_at = 0 AND (status <> 'Running' OR ",
            open!(),
            " = 0 OR waiting <> ",
            tasks!("Pending"),
            " OR running <> ",
            tasks!("Running"),
            " OR succeeded < ",
            tasks!("Success"),
            " OR failed < ",
            tasks!("Error"),
            " OR stopped < ",
            tasks!("Stopped"),
            ")) OR (ended_at <> 0 AND (status NOT IN ('Success', 'Error', 'Stopped') OR ",
            open!(),
            " > 0))"
        )
    };
}

pub(super) const QUESTIONS: &[Question] = &[
    goes!(
        "schedule",
        "it is of a policy of retention that is not there",
        "schedules",
        "schedules.id",
        "schedules.kind",
        concat!("schedules.kind = 'RETENTION' AND ", no!("schedules", "subject_id", "retention_policies"))
    ),
    goes!(
        "execution",
        "it is of a policy that is not there",
        "executions",
        "executions.id",
        "executions.kind",
        without_policy!(),
        concat!(
            "DELETE FROM task_logs WHERE task_id IN (SELECT t.id FROM tasks t JOIN executions ON executions.id = t.execution_id \
             WHERE ",
            without_policy!(),
            ")"
        ),
        concat!(
            "DELETE FROM tasks WHERE EXISTS (SELECT 1 FROM executions WHERE executions.id = tasks.execution_id AND (",
            without_policy!(),
            "))"
        )
    ),
    goes!(
        "task",
        "its execution is not there",
        "tasks",
        "tasks.id",
        "tasks.kind",
        no!("tasks", "execution_id", "executions"),
        concat!(
            "DELETE FROM task_logs WHERE task_id IN (SELECT tasks.id FROM tasks WHERE ",
            no!("tasks", "execution_id", "executions"),
            ")"
        )
    ),
    goes!(
        "log",
        "its task, of this key, is not there",
        "task_logs",
        "task_logs.task_id",
        unnamed!(),
        no!("task_logs", "task_id", "tasks")
    ),
    Question {
        kind: "task",
        what: "its status is none",
        ask: "SELECT t.id, t.kind FROM tasks t WHERE t.status NOT IN ('Pending', 'Running', 'Success', 'Error', 'Stopped')",
        from: None,
        done: "taken to have failed",
        mend: &["UPDATE tasks SET status = 'Error', message = 'its status did not read', \
                 ended_at = CASE WHEN ended_at = 0 THEN updated_at ELSE ended_at END \
                 WHERE status NOT IN ('Pending', 'Running', 'Success', 'Error', 'Stopped')"],
    },
    Question {
        kind: "task",
        what: "it does not run, and holds the place of one that does",
        ask: "SELECT t.id, t.kind FROM tasks t WHERE t.status <> 'Running' \
              AND (t.running_key IS NOT NULL OR t.running_slot IS NOT NULL OR t.slot IS NOT NULL)",
        from: None,
        done: "let go",
        mend: &[
            "UPDATE tasks SET running_key = NULL, running_slot = NULL, slot = NULL WHERE status <> 'Running' \
                 AND (running_key IS NOT NULL OR running_slot IS NOT NULL OR slot IS NOT NULL)",
        ],
    },
    Question {
        kind: "execution",
        what: "what set it going is none of what there is",
        ask: "SELECT e.id, e.kind FROM executions e WHERE e.triggered_by NOT IN ('MANUAL', 'SCHEDULE', 'EVENT')",
        from: None,
        done: "taken to be by hand",
        mend: &[
            "UPDATE executions SET triggered_by = 'MANUAL' WHERE triggered_by NOT IN ('MANUAL', 'SCHEDULE', 'EVENT')",
        ],
    },
    Question {
        kind: "execution",
        what: "it says something else of its tasks than they do",
        ask: concat!("SELECT executions.id, executions.kind FROM executions WHERE ", miscounted!()),
        from: None,
        done: "counted again",
        mend: &[concat!(
            "UPDATE executions SET ",
            at_least!("succeeded", "Success"),
            ", ",
            at_least!("failed", "Error"),
            ", ",
            at_least!("stopped", "Stopped"),
            ", waiting = ",
            tasks!("Pending"),
            ", running = ",
            tasks!("Running"),
            ", message = CASE WHEN succeeded + failed + stopped = 0 AND NOT EXISTS \
             (SELECT 1 FROM tasks t WHERE t.execution_id = executions.id) THEN 'its tasks are gone' ELSE message END, \
             status = CASE WHEN ",
            open!(),
            " > 0 THEN 'Running' WHEN failed > 0 OR ",
            tasks!("Error"),
            " > 0 THEN 'Error' WHEN stopped > 0 OR ",
            tasks!("Stopped"),
            " > 0 THEN 'Stopped' WHEN succeeded > 0 OR ",
            tasks!("Success"),
            " > 0 THEN 'Success' ELSE 'Error' END, ended_at = CASE WHEN ",
            open!(),
            " > 0 THEN 0 WHEN ended_at = 0 THEN updated_at ELSE ended_at END WHERE ",
            miscounted!()
        )],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use harbor_core::meta::{ExecutionStatus, TaskStatus, Trigger};

    use super::super::DOCUMENTS;
    use super::*;

    /// The texts of a list behind a word.
    fn listed(ask: &str, word: &str) -> BTreeSet<String> {
        let list = ask.split_once(word).unwrap().1.split_once('(').unwrap().1.split_once(')').unwrap().0;
        list.split(", ").map(|text| text.trim_matches('\'').to_owned()).collect()
    }

    fn asks(what: &str) -> &'static str {
        QUESTIONS.iter().find(|question| question.what.contains(what)).unwrap().ask
    }

    /// What the engine writes is not found wrong.
    #[test]
    fn names_are_those_of_the_engine() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let tasks = TaskStatus::ALL.map(TaskStatus::as_str);
        assert_eq!(listed(asks("its status is none"), "status NOT IN"), names(&tasks));
        assert_eq!(
            listed(asks("what set it going"), "triggered_by NOT IN"),
            names(&Trigger::ALL.map(Trigger::as_str))
        );
        let counted = asks("something else of its tasks");
        let open: Vec<_> =
            TaskStatus::ALL.into_iter().filter(|status| !status.is_over()).map(TaskStatus::as_str).collect();
        assert_eq!(listed(counted, "t.status IN"), names(&open));
        let read = DOCUMENTS.iter().find(|document| document.kind == "task").unwrap();
        assert_eq!(listed(read.ask, "t.status IN"), names(&open));
        for name in tasks {
            assert!(counted.contains(&format!("t.status = '{name}'")), "{name}");
        }
        let over = ExecutionStatus::ALL.into_iter().filter(|status| *status != ExecutionStatus::Running);
        let over: Vec<_> = over.map(ExecutionStatus::as_str).collect();
        assert_eq!(listed(counted, "status NOT IN"), names(&over));
    }
}
