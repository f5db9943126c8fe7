"""How errors and the ends of runs are told."""

from __future__ import annotations

from example_runs import SMALL, Burn, Hosts, Make, begun, paper, plan, run, said, task

from klusterkit.engine.errors import CommandFailed, DecisionNeeded, HostUnreachable
from klusterkit.engine.executor import Call, Outcome, Verb
from klusterkit.engine.runner import Report, Runner
from klusterkit.report.ending import show_end, show_failures
from klusterkit.report.faults import Fault, show_fault
from klusterkit.report.statusview import show_run

FAILURE = CommandFailed("status 1", host="m1", seen="line 1\nline 2", hint="look there").info()


def test_an_error_says_what_where_what_was_seen_and_what_to_do():
    console = paper()
    show_fault(console, Fault("port 6443 is taken", ("m1",), seen="nginx (pid 812)", hint="stop it"))
    assert (
        said(console)
        == """\
error: port 6443 is taken
  host:       m1
  seen:       nginx (pid 812)
  what to do: stop it
"""
    )


def test_what_is_not_known_of_an_error_takes_no_line():
    console = paper()
    show_fault(console, Fault("it is broken"))
    assert said(console) == "error: it is broken\n"


def test_several_reasons_are_numbered_and_the_same_on_several_hosts_is_said_once():
    console = paper()
    swap = [Fault("swap is on", (f"n{number}",), hint="swapoff -a") for number in range(7)]
    port = Fault("port 6443 is taken", ("n3",), seen="nginx")
    show_fault(console, Fault("hosts can't be used", reasons=(*swap[:3], port, *swap[3:])))
    assert (
        said(console)
        == """\
error: hosts can't be used

  1. swap is on
     host:       n0, n1, n2, n3 and 3 more (7 hosts)
     what to do: swapoff -a

  2. port 6443 is taken
     host: n3
     seen: nginx
"""
    )


def test_brackets_in_what_a_host_says_are_shown_as_they_are():
    console = paper()
    show_fault(console, Fault("[bold]x[/bold] failed", seen="etcd[812]: [red]"))
    assert "error: [bold]x[/bold] failed" in said(console)
    assert "etcd[812]: [red]" in said(console)


def ending(report: Report, of=SMALL, command: str = "cctl") -> str:
    console = paper(120)
    show_failures(console, of, report.states, report.errors)
    show_end(console, of, report, 61.0, command)
    return said(console)


def test_a_run_that_is_done_says_so_in_one_line():
    assert ending(run(SMALL)) == "Done in 61 s: create machine --ip m1 --role master (3 tasks).\n"


def test_a_failed_run_says_what_failed_and_which_commands_are_next():
    assert (
        ending(run(SMALL, {"m1/etcd/unit": FAILURE}), command="cctl --state x.yaml")
        == """
error: make the unit: status 1
  host:       m1
  where:      task etcd/unit
  seen:       line 1
              line 2
  what to do: look there

Failed: 1 of 3 tasks done, 1 failed, 1 not begun. All of it is in the journal.
  cctl --state x.yaml resume    goes on from there
  cctl --state x.yaml rollback  puts the hosts back as they were
"""
    )


def test_what_can_not_be_undone_is_told_as_an_undoing():
    journal = begun(SMALL)
    Runner(journal, Hosts()).forward()

    class Rigid(Hosts):
        """Lets nothing be undone."""

        def _one(self, call: Call) -> Outcome:
            return Outcome(error=FAILURE) if call.verb is Verb.UNDO else super()._one(call)

    report = Runner(journal, Rigid()).back()
    assert "error: undo: make etcd: status 1\n" in ending(report)


def test_the_same_failure_on_many_hosts_is_told_once():
    hosts = [f"n{number}" for number in range(37)]
    many = plan(*(task("pkg", Make(what="x"), host=host) for host in hosts))
    full = {f"{host}/pkg": CommandFailed("No space left on device", host=host).info() for host in hosts}
    text = ending(run(many, full), many)
    assert text.count("No space left on device") == 1
    assert "(37 hosts)" in text


def test_what_many_tasks_of_a_host_met_is_told_once():
    several = plan(*(task(f"t{number}", Make(what=f"x{number}")) for number in range(9)))
    gone = {f"m1/t{number}": HostUnreachable("m1 can't be reached", host="m1").info() for number in range(9)}
    text = ending(run(several, gone), several)
    assert "error: m1 can't be reached\n  host:  m1\n  where: 9 tasks: t0, t1, t2, t3 and 5 more\n\n" in text


def test_a_task_is_not_named_twice_in_its_error():
    failure = CommandFailed("m1/etcd/unit: status 1", host="m1").info()
    assert ending(run(SMALL, {"m1/etcd/unit": failure})).startswith("\nerror: make the unit: status 1\n")


def test_past_a_point_of_no_return_no_rollback_is_offered():
    burning = plan(task("burn", Burn(what="data")), task("after", Make(what="x"), "m1/burn"))
    text = ending(run(burning, {"m1/after": FAILURE}), burning)
    assert "cctl resume" in text
    assert "rollback" not in text


def test_a_run_that_waits_for_an_answer_offers_the_answers():
    asked = DecisionNeeded("m1/etcd/unit: nobody can tell", host="m1").info()
    text = ending(run(SMALL, {"m1/etcd/unit": asked}))
    for answer in ("--adopt", "--retry", "--skip"):
        assert f"cctl resume {answer} m1/etcd/unit" in text


def test_a_run_that_was_taken_back_says_so():
    journal = begun(SMALL)
    Runner(journal, Hosts()).forward()
    assert ending(Runner(journal, Hosts()).back()).startswith("Taken back in 61 s: create machine")


def test_the_run_in_progress_is_shown_with_what_is_open_in_it():
    journal = begun(SMALL)
    Runner(journal, Hosts({"m1/etcd/unit": FAILURE})).forward()
    console = paper(120)
    show_run(console, journal)
    lines = said(console).splitlines()
    assert lines[0] == "Run in progress: create machine --ip m1 --role master"
    assert lines[1].endswith("by root@here; 1 of 3 tasks done, 1 failed, 1 not begun")
    assert "error: make the unit: status 1" in lines
    assert "  cctl resume    goes on from there" in lines
    show_run(console, journal, wide=True)
    assert "  m1/preflight   done" in said(console).splitlines()
    assert "  m1/etcd/start  pending" in said(console).splitlines()


def test_an_unreachable_host_is_told_with_the_task_that_met_it():
    gone = HostUnreachable("no route to m1", host="m1", hint="see whether it is on").info()
    assert "host:       m1" in ending(run(SMALL, {"m1/preflight": gone}))
