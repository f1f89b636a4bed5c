"""The health of the project: what is wrong with it, what to do, and the balance of its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from rbcal.charts import dataset_health
from rbcal.interchange.near_duplicates import N_BYTES, hash_missing, near_pairs
from rbcal.store.classes import CellClass
from rbcal.store.images import Group, Split
from rbcal.store.project import Project, ProjectFile
from rbcal.ui.downloads import show_chart
from rbcal.wording import count, literal

_TICK = 0.5  # seconds of hashing between two looks at the browser


@dataclass(frozen=True)
class Health:
    """What is known of the health of a project."""

    groups: Sequence[Group]
    cells: Mapping[Split, Mapping[int, int]]
    pairs: Sequence[dataset_health.NearDuplicates]
    findings: Sequence[dataset_health.Finding]


def health_of(project: Project) -> Health | None:
    """Return what is wrong with a project, and what there is to know; None without an image."""
    groups = project.images.groups()
    if not groups:
        return None
    cells: Mapping[Split, Mapping[int, int]] = {
        side: project.reviews.cells_per_class(side) for side in dataset_health.SIDES
    }
    pairs = _near_duplicates(project)
    findings = dataset_health.findings(
        project.classes.own(), cells, groups, pairs, test_is_closed=project.images.test_is_closed()
    )
    return Health(groups, cells, pairs, findings)


def show_alarms(project: Project, health: Health) -> None:
    """Show what is wrong and falsifies figures, before all else."""
    if project.images.without_hash():
        _compare_images(project.file)
    for each in health.findings:
        if each.level == "error":
            st.error(_words(each), icon=":material/error:")
            _offer_to_skip(project, health.pairs)


def show_health(project: Project, health: Health | None) -> None:
    """Show what is wrong with the project and what to do, or that nothing is."""
    if health is None:
        st.caption("There is no image yet.")
        return
    n = len(health.findings)
    st.markdown("**Nothing is wrong**" if not n else f"**{count(n, 'thing')} to know**")
    st.caption(literal(dataset_health.summary(health.groups, health.cells)))
    for each in health.findings:
        if each.level == "note":
            st.markdown(f":material/info: {_words(each)}")
        else:
            st.markdown(f":orange[:material/warning:] {_words(each)}")
    _show_details(project, project.classes.own(), health.cells, health.groups, health.pairs)


def _words(finding: dataset_health.Finding) -> str:
    return f"{literal(finding.what)}  \n:small[{literal(finding.advice)}]"


def _offer_to_skip(project: Project, pairs: Sequence[dataset_health.NearDuplicates]) -> None:
    """Offer to put off the images that would leak once they are annotated."""
    images = [image for pair in pairs if pair.leak for image in (pair.first, pair.second)]
    skipped = {image_id for image_id, is_skipped in project.queue.order() if is_skipped}
    open_ = {image.id for image in images if image.split == "work" and image.review_id is None} - skipped
    n = len(open_)
    if n and st.button(f"Skip the {n} image{'s' * (n != 1)} without boxes", icon=":material/skip_next:"):
        for image_id in sorted(open_):
            project.queue.skip(image_id)
        st.rerun()


def _near_duplicates(project: Project) -> list[dataset_health.NearDuplicates]:
    hashes = project.images.perceptual_hashes()
    ids, near = list(hashes), _near(b"".join(hashes.values()))
    return (
        dataset_health.near_duplicates(project.images.all(), [(ids[a], ids[b]) for a, b in near])
        if near
        else []
    )


@st.cache_data(max_entries=4, show_spinner=False)  # of 10,000 images it takes a third of a second
def _near(hashes: bytes) -> list[tuple[int, int]]:
    return near_pairs([hashes[k : k + N_BYTES] for k in range(0, len(hashes), N_BYTES)])


def _show_details(
    project: Project,
    classes: Sequence[CellClass],
    cells: Mapping[Split, Mapping[int, int]],
    groups: Sequence[Group],
    pairs: Sequence[dataset_health.NearDuplicates],
) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Annotated cells of each class**")
        if classes:
            show_chart(project, dataset_health.balance_chart(classes, cells))
            st.caption("The scale is logarithmic: a rare class is seen beside a frequent one.")
    with right:
        st.markdown("**Groups** (slides, patients)")
        st.dataframe(
            dataset_health.group_table(groups), hide_index=True, height="content" if len(groups) < 9 else 320
        )
    if pairs:
        st.markdown("**Images that show the same field**")
        st.dataframe(dataset_health.near_duplicate_table(pairs), hide_index=True)


@st.fragment(run_every=1.0)  # half of the time is left for what the user does
def _compare_images(file: ProjectFile) -> None:
    """Make the hashes that an older rbcal did not keep, a few at a time; the page stays usable."""
    with file.open() as project:
        left, n = hash_missing(project, _TICK), project.images.counts().images
    if left:
        st.progress(1 - left / n, f"Looking for near-duplicate images: {left} of {n} still to compare")
    elif st.button("All images are compared: see what was found", icon=":material/compare:"):
        st.rerun()  # not by itself: it would close a dialog in which somebody writes
