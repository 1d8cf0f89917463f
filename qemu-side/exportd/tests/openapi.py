# SPDX-License-Identifier: GPL-2.0-only
"""openapi.yaml as a judge of what a server answers, and a strict reader of Prometheus' text."""
import json
import re

import jsonschema
import yaml

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def pointer(*parts):
    return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


class Description:
    def __init__(self, path):
        with open(path, encoding="utf-8") as text:
            self.root = yaml.safe_load(text)
        assert self.root["openapi"].startswith("3.1."), self.root["openapi"]
        for schema in self.root["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def operations(self):
        for path, item in self.root["paths"].items():
            for method, operation in item.items():
                if method in METHODS:
                    yield method.upper(), path, operation

    def resolve(self, reference):
        node = self.root
        for part in reference[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def validate(self, reference, value):
        validator = jsonschema.Draft202012Validator({**self.root, "$ref": reference})
        problems = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(value)]
        assert not problems, f"{reference}: {problems[0]} in {value}"

    def check(self, method, path, status, mime, body):
        """What was answered is what the description of `path` says. The value, if it is JSON."""
        operation = self.root["paths"][path][method.lower()]
        name = str(status) if str(status) in operation["responses"] else "default"
        assert name != "default" or status >= 400, f"{method} {path}: {status} is not described"
        where = pointer("paths", path, method.lower(), "responses", name)
        response = self.resolve(where)
        if "$ref" in response:
            where = response["$ref"]
            response = self.resolve(where)
        kind = mime.split(";")[0]
        assert kind in response["content"], f"{method} {path}: {kind} is not described for {status}"
        if kind != "application/json":
            return body
        value = json.loads(body)
        self.validate(where + "/content/application~1json/schema", value)
        return value

    def check_request(self, method, path, body):
        self.validate(pointer("paths", path, method.lower(), "requestBody", "content", "application/json", "schema"), body)


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|\Z)')


def labels_of(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"labels: {text!r} at {at}"
        assert match.group(1) not in found, f"twice: {match.group(1)} in {text}"
        found[match.group(1)] = match.group(2)
        at = match.end()
    return found


def check_histogram(samples):
    """Buckets rise to +Inf, which is the count."""
    buckets = {}
    for labels, number in samples.items():
        fields = dict(labels)
        if fields.pop("") == "_bucket":
            bound = float(fields.pop("le"))
            buckets.setdefault(tuple(sorted(fields.items())), []).append((bound, number))
    for labels, steps in buckets.items():
        assert steps == sorted(steps) and [n for _, n in steps] == sorted(n for _, n in steps), (labels, steps)
        count = samples[tuple(sorted((*labels, ("", "_count"))))]
        assert steps[-1] == (float("inf"), count), (labels, steps, count)
        assert samples[tuple(sorted((*labels, ("", "_sum"))))] >= 0
    assert len(samples) == sum(len(steps) + 2 for steps in buckets.values())


def parse_metrics(text):
    """{name: {(label, value)...: number}}; refuses what the format's version 0.0.4 does not allow."""
    assert text.endswith("\n") and "\r" not in text
    families, histograms, family, kind, helped = {}, {}, None, None, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            helped = line.split(" ")[2]
            assert re.fullmatch(NAME, helped) and helped not in families, f"twice or no name: {line}"
            assert len(line.split(" ", 3)[3]) > 5, f"no help: {line}"
        elif line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family == helped, f"TYPE without its HELP: {line}"
            assert kind in ("counter", "gauge", "histogram", "summary"), line
            assert (kind == "counter") == family.endswith("_total"), f"{family} is a {kind}"
            families[family] = {}
        else:
            match = SAMPLE.match(line)
            assert match, f"no sample: {line!r}"
            name = match.group(1)
            if kind == "histogram":
                assert name in (family + "_bucket", family + "_sum", family + "_count"), line
                name, part = family, name.removeprefix(family)
            else:
                part = ""
            assert name == family, f"a sample of {name} among those of {family}"
            labels = tuple(sorted((labels_of(match.group(2) or "") | ({"": part} if part else {})).items()))
            assert labels not in families[family], f"twice: {line}"
            number = float(match.group(3))
            assert kind != "counter" or number >= 0, line
            families[family][labels] = number
        if kind == "histogram" and family in families:
            histograms[family] = families[family]
    for samples in histograms.values():
        check_histogram(samples)
    assert families
    return families
