"""The OpenAPI document: complete, true to the routes, with examples that fit."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar
from openapi_schema_validator import OAS31Validator  # a schemathesis dependency
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from fetchbox.api import catalogue
from fetchbox.api.catalogue import OPERATIONS, Operation
from fetchbox.api.openapi import Documentation
from fetchbox.intake.accept import Submission
from fetchbox.model.manifest import ManifestLimits, parse_manifest
