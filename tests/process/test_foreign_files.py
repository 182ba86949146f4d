"""Files that somebody else could have planted are refused before they decide anything, by every verb."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.process.door import CONFIG, RUNNING, Door
from tests.process.test_report import sample

VARIABLE = "BATCH_SUBMIT_EXECUTION__ALLOW_WORLD_WRITABLE"
ALLOWED = (
    "execution: {log_file: our.log, allow_world_writable: true}\njob_specific_config: {custom: {script: job.py}}\n"
)
STRANGER = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file somebody else's")


def planted(path: Path) -> None:
    """Make a file or folder a stranger's."""
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


@pytest.mark.parametrize("verb", [["list"], ["config", "show"], ["submit", "-t", "custom", "--no-wait"]])
def test_a_configuration_that_everybody_may_write_to_is_refused_whatever_it_says(door: Door, verb: list[str]) -> None:
    door.write_config(ALLOWED)
    (door.work / "job_config.yaml").chmod(0o666)
    refused = door.run(*verb)
    assert (refused.code, refused.out) == (2, ""), refused.err
    assert refused.said(
        f"everybody may write to {door.work}/job_config.yaml (owner ", ", mode 0666)", f"{VARIABLE}=true"
    )
    assert (door.rm.asked, door.calls) == ([], [])
    allowed = door.run(*verb, env={VARIABLE: "true"})
    assert allowed.code == 0, allowed.err


def test_the_flag_allows_it_and_the_overlay_is_looked_at_too(door: Door) -> None:
    door.write_config(ALLOWED)
    door.write_config("execution: {allow_world_writable: true}\n", "job_config_dev.yaml")
    (door.work / "job_config_dev.yaml").chmod(0o666)
    call = ("--no-wait", "--env", "dev")
    refused = door.submit(*call)
    assert refused.code == 2 and refused.said("job_config_dev.yaml: everybody may write to"), refused.err
    assert door.submit(*call, "--allow-world-writable").code == 0


@as_root
def test_in_a_shared_folder_the_owner_counts_and_elsewhere_not(door: Door) -> None:
    config = door.work / "job_config.yaml"
    planted(config)
    assert door.run("list").code == 0, "a colleague's checkout"
    door.work.chmod(0o1777)
    refused = door.run("list")
    assert refused.code == 2 and refused.said(f"{config} is somebody else's (owner uid {STRANGER}, mode 0644)"), (
        refused.err
    )


@pytest.mark.parametrize("key", ["files", "archives", "additional_py_files", "additional_jars"])
def test_everything_that_is_shipped_is_looked_at(door: Door, key: str) -> None:
    (door.work / "shared").mkdir()
    (door.work / "shared").chmod(0o777)
    (door.work / "shared" / "x.zip").write_bytes(b"PK")
    shipped = f"job_specific_config: {{custom: {{script: job.py, {key}: [shared/x.zip]}}}}\n"
    door.write_config(f"execution: {{log_file: our.log}}\n{shipped}")
    refused = door.submit("--no-wait")
    assert (refused.code, door.calls) == (2, []), refused.err
    assert refused.said("shared/x.zip (job_config.yaml:2): everybody may write to")
    door.write_config(f"execution: {{log_file: our.log, allow_world_writable: true}}\n{shipped}")
    assert door.submit("--no-wait").code == 0


@pytest.mark.parametrize("key", ["ca_bundle", "truststore_path"])
def test_whom_we_trust_is_not_anybodys_to_say(door: Door, key: str) -> None:
    bundle = door.work / "ca.pem"
    bundle.write_text("")
    bundle.chmod(0o666)
    door.write_config(f"security_config: {{{key}: ca.pem}}\n{CONFIG}")
    refused = door.run("list")
    assert refused.code == 2 and refused.said(f"{bundle} (security_config.{key}): everybody may write to"), refused.err
    assert door.rm.asked == []


@pytest.mark.parametrize("mode", ["cluster", "client"])
def test_the_stores_of_sparks_tls_are_looked_at(door: Door, mode: str) -> None:
    store = door.work / "key.p12"
    store.write_bytes(b"")
    store.chmod(0o666)
    door.write_config(
        "security_config: {enable_ssl: true, keystore_path: key.p12}\n"
        f"spark_config: {{deploy_mode: {mode}}}\n{CONFIG}"
    )
    refused = door.submit("--dry-run")
    assert refused.code == 2 and refused.said(f"{store} (security_config.keystore_path", "everybody may write"), (
        refused.err
    )


@as_root
def test_the_sites_files_are_looked_at_unless_they_are_roots(door: Door) -> None:
    xml = door.folder / "conf" / "yarn-site.xml"
    xml.parent.chmod(0o777)
    assert door.run("list").code == 0, "root's own, wherever they lie"
    planted(xml)
    refused = door.run("list")
    assert refused.code == 2 and refused.said(f"{xml}: everybody may write to {xml.parent}"), refused.err
    spark = door.folder / "spark"
    spark.mkdir()
    (spark / "spark-defaults.conf").write_text("spark.x 1\n")
    (spark / "spark-defaults.conf").chmod(0o666)
    refused = door.submit("--dry-run", env={"SPARK_CONF_DIR": str(spark)})
    assert refused.code == 2 and refused.said("spark-defaults.conf: everybody may write to"), refused.err


def test_a_file_of_runs_is_looked_at(door: Door) -> None:
    (door.work / "runs.yaml").write_text("defaults: {type: custom}\nruns: [{run_id: r1}]\n")
    (door.work / "runs.yaml").chmod(0o666)
    refused = door.run("submit", "--many", "runs.yaml", "--dry-run")
    assert refused.code == 2 and refused.said("runs.yaml: everybody may write to"), refused.err
    assert door.run("submit", "--many", "runs.yaml", "--dry-run", "--allow-world-writable").code == 0


@as_root
@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("what", ["folder", "link"])
def test_records_and_caches_that_somebody_else_has_laid_out_are_not_used(door: Door, variable: str, what: str) -> None:
    shared = door.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    laid = shared / "batch-submit"
    if what == "folder":
        laid.mkdir(mode=0o777)
        laid.chmod(0o777)
    else:
        (door.folder / "target").mkdir()
        laid.symlink_to(door.folder / "target")
    planted(laid)
    for verb in (["submit", "-t", "custom", "--no-wait"], *([["history"]] if "STATE" in variable else [])):
        refused = door.run(*verb, env={variable: str(shared)})
        assert refused.code == 3 and refused.said("can't be ours", str(laid), variable), refused.err
    looked = door.run("list", env={variable: str(shared)})
    assert looked.code == 0 and looked.err.count("can't be ours") == 1, looked.err
    assert looked.said("going on without ", str(laid), variable)
    assert (door.calls, list((door.folder / "target").glob("*")) if what == "link" else []) == ([], [])


@as_root
def test_doctor_finds_them_too(door: Door) -> None:
    xml = door.folder / "conf" / "yarn-site.xml"
    xml.parent.chmod(0o777)
    planted(xml)
    door.state.mkdir(parents=True)
    planted(door.state)
    outcome = door.run("doctor", "--json")
    assert outcome.code == 3, outcome.err
    red = {one["id"]: one for one in outcome.json["findings"] if one["severity"] == "red"}
    assert f"everybody may write to {xml.parent}" in red["config.hadoop-conf"]["what"]
    assert "not ours alone" in red["host.state-folder"]["what"]
    assert door.rm.asked == []


def test_what_an_open_umask_left_is_closed(door: Door) -> None:
    door.state.mkdir(parents=True)
    door.state.chmod(0o775)
    assert door.submit("--no-wait").code == 0
    assert door.state.stat().st_mode & 0o777 == 0o700


@as_root
def test_a_page_is_not_written_through_somebody_elses_link(laptop: Door) -> None:
    shared = laptop.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (laptop.work / "m.json").write_bytes(sample("training"))
    (shared / "page.html").symlink_to(laptop.work / "mine.html")
    planted(shared / "page.html")
    refused = laptop.run("report", "--metrics", "m.json", "--out", str(shared / "page.html"))
    assert refused.code == 2 and refused.said("somebody else's"), refused.err
    assert not (laptop.work / "mine.html").exists()
    made = laptop.run("report", "--metrics", "m.json", "--out", str(shared / "own.html"))
    assert made.code == 0, made.err
    assert (shared / "own.html").stat().st_mode & 0o777 == 0o600


@as_root
def test_a_log_file_behind_a_neighbours_link_is_done_without(door: Door) -> None:
    ours, evil = door.folder / "home" / ".bashrc", door.folder / "tmp" / "etl-logs"
    ours.write_text("alias ll=ls\n")
    evil.mkdir(parents=True)
    evil.parent.chmod(0o1777)
    (evil / "job.log").symlink_to(ours)
    planted(evil / "job.log")
    planted(evil)
    door.write_config(CONFIG.replace("our.log", str(evil / "job.log")))
    outcome = door.submit("--no-wait")
    assert outcome.code == 0 and outcome.said("somebody else's link", "going on without it"), outcome.err
    assert ours.read_text() == "alias ll=ls\n"


@as_root
@pytest.mark.parametrize("place", [".cache/batch-submit", ".local/state/batch-submit"])
def test_what_runs_can_be_looked_at_and_ended_without_them(door: Door, place: str) -> None:
    door.submits(RUNNING)
    assert door.submit("--no-wait").code == 0
    planted(door.folder / "home" / place)
    for verb in (["list"], ["status", door.application_id], ["kill", door.application_id, "--yes"]):
        outcome = door.run(*verb)
        assert outcome.code == 0 and outcome.err.count("can't be ours") == 1, outcome.err
    assert door.submit("--no-wait").code == 3


@pytest.mark.parametrize("mode", [0o777, 0o2777])
def test_a_home_that_everybody_may_write_to_can_be_looked_from_again_and_again(door: Door, mode: int) -> None:
    home = door.folder / "home"
    home.chmod(mode)
    looks = [door.run("list", env={VARIABLE: "true"}) for _ in range(3)]
    assert [one.code for one in looks] == [0, 0, 0], looks[-1].err
    assert looks[-1].said("going on without cache", f"chmod o-w {home},"), looks[-1].err
    refused = door.submit("--no-wait", env={VARIABLE: "true"})
    assert refused.code == 3 and refused.said(f"chmod o-w {home},"), refused.err


def test_what_hadoops_xml_includes_is_looked_at(door: Door) -> None:
    part, xml = door.folder / "cluster.xml", door.folder / "conf" / "yarn-site.xml"
    part.write_text("<configuration/>")
    include = f'<include xmlns="http://www.w3.org/2001/XInclude" href="{part}"/></configuration>'
    xml.write_text(xml.read_text().replace("</configuration>", include))
    assert door.run("list").code == 0
    part.chmod(0o666)
    refused = door.run("list")
    assert refused.code == 2 and refused.said(f"{part}: everybody may write to {part}"), refused.err
    assert len(door.run("doctor", "--json").json["findings"]) > 1


@pytest.mark.parametrize("name", ["hive-site.xml", "log4j2.properties"])
def test_what_spark_submit_reads_beside_it_is_looked_at_before_a_submission(door: Door, name: str) -> None:
    beside = door.folder / "conf" / name
    beside.write_text("<configuration/>" if name.endswith("xml") else "x = 1")
    beside.chmod(0o666)
    assert door.run("list").code == 0, "which does not read it"
    refused = door.submit("--no-wait")
    assert refused.code == 2 and refused.said(f"{beside}: everybody may write to"), refused.err
    assert door.calls == []


@as_root
def test_a_strangers_link_to_another_file_of_roots_is_refused(door: Door) -> None:
    xml, other = door.folder / "conf" / "yarn-site.xml", door.folder / "yarn-site.xml"
    other.write_text(xml.read_text())
    xml.unlink()
    xml.symlink_to(other)
    xml.parent.chmod(0o777)
    assert door.run("list").code == 0, "a link of root's"
    planted(xml)
    refused = door.run("list")
    assert refused.code == 2 and refused.said(f"{xml}: everybody may write to {xml.parent}"), refused.err
