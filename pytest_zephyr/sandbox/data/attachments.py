"""Files that are attached to executions, test cases or requirements."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm import undefer

from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.values import now_ms


#: The API's name for executions as items that have attachments.
EXECUTION_ITEM_TYPE = "releaseTestSchedule"


def of_items(session: Session, item_type: str, item_ids: Any) -> list[Attachment]:
    """Return the attachments of the items with *item_ids*, a list or a query."""
    return list_rows(
        session,
        Attachment,
        Attachment.item_type == item_type,
        Attachment.item_id.in_(item_ids),
    )


def with_data(session: Session, ref_id: str) -> Attachment | None:
    """Return an attachment with the content of its file; `None` if there is none."""
    return session.scalar(
        select(Attachment)
        .options(undefer(Attachment.data))
        .where(Attachment.ref_id == ref_id)
    )


def add(
    session: Session,
    item_type: str,
    item_id: int,
    *,
    name: str,
    content_type: str,
    data: bytes,
    creator_id: int,
    created_on: int | None = None,
) -> Attachment:
    row = Attachment(
        ref_id=secrets.token_hex(12),
        item_type=item_type,
        item_id=item_id,
        name=name,
        content_type=content_type,
        size=len(data),
        data=data,
        created_by=creator_id,
        created_on=now_ms() if created_on is None else created_on,
    )
    session.add(row)
    session.flush()
    return row
