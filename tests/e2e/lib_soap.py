"""SOAP for the end-to-end tests: python3-zeep from the WSDL that a server serves, nothing else known."""
import functools

import lib

try:
    import zeep
    import zeep.exceptions
    from zeep.helpers import serialize_object
except ImportError:
    lib.skip("python3-zeep is not installed")

ALL_TIME = (-(1 << 62), 1 << 62)


@functools.lru_cache(maxsize=None)
def client(url, service="db", wsdl="wsdl"):
    transport = zeep.Transport(timeout=lib.PATIENCE, operation_timeout=lib.PATIENCE)
    return zeep.Client(f"{url}/{service}?{wsdl}", transport=transport)


def call(server, operation, service="db", wsdl="wsdl", **arguments):
    """The answer as plain dicts and lists."""
    # `from` and `as` are words of Python, so arguments with those names come through ** anyway.
    answer = getattr(client(server.url, service, wsdl).service, operation)(**arguments)
    return serialize_object(answer, dict)


def fault(server, operation, service="db", **arguments):
    """The typed fault of a call that must fail, as a dict; None when it did not."""
    try:
        call(server, operation, service, **arguments)
    except zeep.exceptions.Fault as problem:
        if problem.detail is None or len(problem.detail) == 0:
            return {"code": None, "field": None, "message": problem.message}
        detail = problem.detail[0]
        return {child.tag.rsplit("}", 1)[1]: child.text for child in detail}
    return None


def account(server, interval=ALL_TIME):
    answer = call(server, "GetAccount", **{"from": interval[0], "to": interval[1]})
    return answer["account"] if "account" in answer else answer


def coverage(server, interval=ALL_TIME):
    """Rows of the account by (exporter, domain, protocol)."""
    rows = account(server, interval)["coverage"] or []
    return {(row["exporter"], row["domain"], row["protocol"]): row for row in rows}
