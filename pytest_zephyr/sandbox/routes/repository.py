"""Folders of the test repository."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy import select

from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import ApiError
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.lists import nodes_json


routes = Blueprint("repository", __name__)


def flat(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *nodes* and all below them, in one list."""
    result = []
    for node in nodes:
        result += [node, *flat(node["categories"])]
    return result


def release_nodes(release_id: int | None) -> list[dict[str, Any]]:
    """Return the repository of a release as trees; `None` means all releases."""
    where: list[Any] = [Node.phase_id.is_(None)]
    if release_id is not None:
        where.append(Node.release_id == release_id)
    with wire.reading() as session:
        return nodes_json(session, *where)


@routes.get("/testcasetree")
def nodes() -> Response:
    kind = request.args.get("type")
    matches = [
        node
        for node in flat(release_nodes(wire.query_int("releaseid")))
        if kind in (None, "", node["type"])
    ]
    return wire.answer(
        {
            "firstResult": 0,
            "resultSize": len(matches),
            "pageNumber": wire.DEFAULT_PAGE_SIZE,
            "results": matches,
            "type": "testcasetree",
        }
    )


@routes.get("/testcasetree/lite")
def nodes_lite() -> Response:
    kind, release_id = request.args.get("type"), wire.query_int("releaseid")
    if not kind or release_id is None:
        raise ApiError(417, "release Id and type are mandatory.", "Expectation Failed")
    parent = wire.query_int("parentid") or None
    offset, limit = wire.query_int("offset") or 0, wire.query_int("limit")
    matches = [
        {**node, "categories": []}
        for node in flat(release_nodes(release_id))
        if node["type"] == kind and parent in (None, node.get("parentId"))
    ]
    return wire.answer(matches[offset : offset + limit] if limit else matches[offset:])


@routes.get("/testcasetree/phases/<int:release_id>")
def root_nodes(release_id: int) -> Response:
    with wire.reading() as session:
        get(session, Release, release_id)
    return wire.answer(release_nodes(release_id))


@routes.get("/testcasetree/phases/execution/<int:release_id>")
def execution_trees(release_id: int) -> Response:
    """Answer the trees of all phases of a release; the real form is not documented."""
    with wire.reading() as session:
        get(session, Release, release_id)
        return wire.answer(
            nodes_json(
                session, Node.release_id == release_id, Node.phase_id.is_not(None)
            )
        )


@routes.get("/testcasetree/projectrepository/<int:project_id>")
def project_repository(project_id: int) -> Response:
    with wire.reading() as session:
        get(session, Project, project_id)
        # The folders of the hidden release are the repository of the project itself.
        hidden = select(Release.id).where(
            Release.project_id == project_id, Release.hidden.is_(True)
        )
        return wire.answer(
            nodes_json(session, Node.release_id.in_(hidden), Node.phase_id.is_(None))
        )


@routes.get("/testcasetree/hierarchy/<int:node_id>")
def node_and_children(node_id: int) -> Response:
    """Answer the ids of a node and its children, in the form that a client expects."""
    with wire.reading() as session:
        get(session, Node, node_id)
        children = list_rows(session, Node, Node.parent_id == node_id)
        return wire.answer([node_id, *(child.id for child in children)])


@routes.get("/testcasetree/<int:node_id>")
def node(node_id: int) -> Response:
    with wire.reading() as session:
        get(session, Node, node_id)
        subtree = repository.subtree(session, node_id)
        return wire.answer(
            nodes_json(session, Node.id.in_(subtree), roots=[node_id])[0]
        )


@routes.delete("/testcasetree/<int:node_id>")
def delete_node(node_id: int) -> Response:
    with wire.writing() as session:
        node = planning.repository_node(session, node_id)
        catalog.require_unlocked(session, node.release_id)
        repository.remove_folder(session, node)
    return wire.answer({})


@routes.post("/testcasetree")
def create_node() -> Response:
    given = wire.body_object()
    parent_id = wire.query_int("parentid")
    if parent_id is None:
        raise bad_request('For input string: "null"')
    with wire.writing() as session:
        release_id = wire.require_int(given, "releaseId")
        catalog.require_unlocked(session, release_id)
        kind = wire.require_text(given, "type")
        parent = planning.repository_node(session, parent_id) if parent_id else None
        if kind != ("Module" if parent else "Phase"):
            raise bad_request(f"A node of type {kind} cannot be created here.")
        if parent is not None and parent.release_id != release_id:
            raise bad_request("The parent belongs to another release.")
        folder = catalog.add_folder(
            session,
            release_id,
            wire.require_text(given, "name"),
            parent=parent,
            description=wire.optional_text(given, "description") or "",
        )
        return wire.answer(
            nodes_json(session, Node.id == folder.id, roots=[folder.id])[0]
        )
