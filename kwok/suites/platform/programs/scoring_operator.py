"""The operator of the sample suite: a worker Pod per ScoringJob, probes of ScoringNodes, trainers driven and mirrored.

    scoring_operator.py --namespace platform --worker-image IMAGE [--port 8081] [--period 30] [--tolerate KEY]

What it writes, and from what:

    Pod of a job                             ScoringJob.spec; owner and label lead back to the job
    ScoringJob.status                        the worker's Pod: its phase, its node, its termination message
    ScoringNode.status                       a GET of the annotation scoring.example.com/healthz-url, each period
    samples of a trainer                     the scores of ScoringJobs that succeeded, once each
    ModelTraining.status                     GET /status of trainer-NAME.NAMESPACE.svc.cluster.local:9091, each period

It asks the API server as its ServiceAccount (in a pod) or by KUBECONFIG, never through a proxy; nodes and trainers are
asked through the proxy that http_proxy names. GET /healthz is 200 while it runs; GET /readyz is 200 where it may list
all that it watches, else 503 with the reason.
"""

import argparse
import asyncio
import datetime as dt
import functools
import json
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import kopf
from aiohttp import web

LOG = logging.getLogger("scoring-operator")
MANAGER = "scoring-operator"
GROUP, VERSION = "scoring.example.com", "v1"
JOBS, NODES, TRAININGS = "scoringjobs", "scoringnodes", "modeltrainings"
JOB_LABEL = f"{GROUP}/job"
HEALTH_URL = f"{GROUP}/healthz-url"
TRAINER = "http://trainer-{name}.{namespace}.svc.cluster.local:9091"
GPUS = {"cuda": "nvidia.com/gpu", "hip": "amd.com/gpu", "sycl": "gpu.intel.com/i915"}
WORKER = "/opt/platform/programs/scoring_worker.py"
TIMEOUT = 5.0  # seconds, of one request to a node or a trainer
AGAIN = 5.0  # seconds until a Pod that could not be made is tried again

Object = Mapping[str, Any]
Status = dict[str, Any]
Asking = Callable[[aiohttp.ClientSession, Object], Awaitable[None]]


@dataclass
class Settings:
    """The command line. `period` is in seconds."""

    namespace: str = "platform"
    worker_image: str = ""
    address: str = "0.0.0.0"  # noqa: S104 - the kubelet asks here; a suite gives loopback
    port: int = 8081
    period: float = 30.0
    tolerate: list[str] = field(default_factory=list)


SETTINGS = Settings()


# What is derived from what: pure.


def seconds_of(duration: str) -> float:
    """`10s`, `5m` or `1h30m` in seconds; the definition of ModelTraining admits nothing else."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)([hms])", duration))


def pod_of(job: Object, image: str, taints: Sequence[str] = ()) -> dict[str, Any]:
    """The worker's Pod of a job: it fetches both clips and leaves its result in the termination message.

    It tolerates `taints` by their keys, and that of the GPUs that it requests, which is named as they are.
    """
    meta, spec = job["metadata"], job["spec"]
    inputs, secret = spec.get("inputs", {}).get("configMap"), spec.get("storage", {}).get("secret")
    command = ["python3", WORKER, "--reference", spec["reference"], "--distorted", spec["distorted"]]
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    tolerated = list(taints)
    if gpu := GPUS.get(spec.get("backend", "cpu")):
        resources["limits"][gpu] = "1"
        tolerated.append(gpu)
    container = {
        "name": "worker",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "resources": resources,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if secret:
        container["envFrom"] = [{"secretRef": {"name": secret}}]
    if inputs:
        container["volumeMounts"] = [{"name": "inputs", "mountPath": "/inputs", "readOnly": True}]
    owner = {"apiVersion": job["apiVersion"], "kind": job["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{meta['name']}-worker",
            "namespace": meta["namespace"],
            "labels": {JOB_LABEL: meta["name"], "app.kubernetes.io/managed-by": MANAGER},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "tolerations": [{"key": key, "operator": "Exists"} for key in dict.fromkeys(tolerated)],
            "containers": [container],
            **({"volumes": [{"name": "inputs", "configMap": {"name": inputs}}]} if inputs else {}),
        },
    }


def job_status(pod: Object, deleted: bool = False) -> Status:
    """The status of a job, from its worker's Pod. A Pod that ended without a score is a failure, whatever its phase."""
    state = pod.get("status", {})
    phase = state.get("phase", "Pending")
    statuses = state.get("containerStatuses") or [{}]
    ended = statuses[0].get("state", {}).get("terminated", {})
    status: Status = {"podName": pod["metadata"]["name"], "phase": "Pending"}
    if node := pod.get("spec", {}).get("nodeName"):
        status["assignedNode"] = node
    if started := state.get("startTime"):
        status["startedAt"] = started
    if phase in ("Succeeded", "Failed"):
        result = _result(ended.get("message", ""))
        score = result.get("score") if phase == "Succeeded" else None
        scored = isinstance(score, int | float) and not isinstance(score, bool)
        code = ended.get("exitCode", "no exit code")
        missing = result.get("message") or f"the worker ended with {code} and wrote no score"
        status |= {"phase": "Succeeded", "score": score} if scored else {"phase": "Failed", "message": missing}
        if ended.get("finishedAt"):
            status["finishedAt"] = ended["finishedAt"]
    elif deleted:
        status |= {"phase": "Failed", "message": "the worker's Pod was deleted before it ended"}
    elif phase == "Running":
        status["phase"] = "Running"
    return status


def _result(message: str) -> dict[str, Any]:
    try:
        result = json.loads(message)
    except ValueError:
        return {}
    return result if isinstance(result, dict) else {}


def node_status(problem: str, moment: str) -> Status:
    """The status of a node after a probe: `problem` is empty where /healthz answered 200; only that is a heartbeat."""
    if problem:
        return {"healthy": False, "message": problem}
    return {"healthy": True, "lastHeartbeat": moment, "message": ""}


def configuration_of(training: Object) -> dict[str, Any]:
    """What PUT /training of a trainer takes, from the spec."""
    spec = training["spec"]
    checkpoint = spec.get("checkpoint", {})
    return {
        **{name: spec[name] for name in ("baseModel", "algorithm", "outputRegistry")},
        "intervalSeconds": seconds_of(checkpoint.get("interval", "10m")),
        "minSamples": checkpoint.get("minSamples", 1000),
    }


def training_status(answer: Object) -> Status:
    """The status of a training, from /status of its trainer; what the trainer has not yet is left out."""
    status: Status = {name: answer[name] for name in ("phase", "currentSamples", "message")}
    return status | {name: answer[name] for name in ("modelVersion", "lastCheckpoint") if answer.get(name)}


def untold(jobs: Iterable[Object], answer: Object) -> list[dict[str, Any]]:
    """The samples that a trainer does not have yet: the scores of jobs that succeeded, by the uid of the job."""
    done = [job for job in jobs if job.get("status", {}).get("phase") == "Succeeded" and "score" in job["status"]]
    samples = [{"job": job["metadata"]["uid"], "score": job["status"]["score"]} for job in done]
    return [sample for sample in samples if sample["job"] not in answer.get("jobs", ())]


def unreachable(training: Object, problem: str) -> Status:
    """The status of a training whose trainer does not answer: it failed if it ran before."""
    ran = training.get("status", {}).get("phase") in ("Running", "Failed")
    return {"phase": "Failed" if ran else "Initializing", "message": problem}


def now() -> str:
    """The time as the API writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# The API server.


class Refused(Exception):
    """The API server did not do it. `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """The API server, in the session that kopf watches with."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session, self._server = session, server

    async def call(self, method: str, path: str, body: Object | None = None) -> None:
        """One request; a body of a PATCH is merged. Raises Refused with the sentence of the API server."""
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        content = None if body is None else json.dumps(body)
        url = f"{self._server}{path}"
        async with self._session.request(method, url, data=content, headers={"Content-Type": media}) as answer:
            if answer.status >= 400:
                told = _result(await answer.text()).get("message")
                raise Refused(answer.status, told or f"{method} {path}: {answer.status} {answer.reason}")

    async def write_status(self, plural: str, name: str, status: Status) -> None:
        """Merges into the status subresource. An object that is gone needs none."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{SETTINGS.namespace}/{plural}/{name}/status"
        try:
            await self.call("PATCH", path, {"status": status})
        except Refused as refused:
            if refused.status != 404:
                raise

    async def may_list(self) -> str:
        """Empty where all that is watched can be listed, else the first refusal."""
        core = f"/api/v1/namespaces/{SETTINGS.namespace}/pods"
        base = f"/apis/{GROUP}/{VERSION}/namespaces/{SETTINGS.namespace}"
        own = (f"{base}/{plural}" for plural in (JOBS, NODES, TRAININGS))
        try:
            for path in (core, *own):
                await self.call("GET", f"{path}?limit=1")
        except (Refused, aiohttp.ClientError) as error:
            return str(error)
        return ""


api: Api


@kopf.on.login()
async def login(**arguments: Any) -> kopf.AiohttpSession:
    """The ServiceAccount of the pod, else the kubeconfig. kopf and this file share one session: one writer."""
    global api  # handlers of kopf are functions of the module
    info = kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)
    if info is None:
        raise kopf.LoginError("neither a ServiceAccount nor a kubeconfig is there")
    headers = {**info.as_http_headers(), "User-Agent": MANAGER}  # the API server takes the writer's name from it
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=info.as_ssl_context()), headers=headers)
    api = Api(session, info.server)
    return kopf.AiohttpSession(aiohttp_session=session, server=info.server, default_namespace=SETTINGS.namespace)


# Jobs.


@kopf.on.resume(GROUP, VERSION, JOBS)
@kopf.on.create(GROUP, VERSION, JOBS)
async def make_pod(body: kopf.Body, name: str, **_: Any) -> None:
    """Makes the worker's Pod once; what is in the way is in the job's message until it is gone."""
    if body.status.get("phase") in ("Succeeded", "Failed"):
        return
    try:
        pod = pod_of(body, SETTINGS.worker_image, SETTINGS.tolerate)
        await api.call("POST", f"/api/v1/namespaces/{SETTINGS.namespace}/pods", pod)
    except Refused as refused:
        if refused.status == 409:  # made by the run of the operator before this one
            return
        await api.write_status(JOBS, name, {"phase": "Pending", "message": f"Pod not created: {refused}"})
        raise kopf.TemporaryError(f"Pod of {name} not created: {refused}", delay=AGAIN) from refused
    LOG.info("made the Pod of %s", name)


@kopf.on.event("pods", labels={JOB_LABEL: kopf.PRESENT})
async def mirror_pod(event: kopf.RawEvent, labels: kopf.Labels, **_: Any) -> None:
    """Writes what the Pod says into its job."""
    status = job_status(event["object"], deleted=event["type"] == "DELETED")
    await api.write_status(JOBS, labels[JOB_LABEL], {"message": "", **status})


# Nodes and trainings: asked each period. Timers of kopf would set finalizers, which a dead operator never takes off.


@kopf.index(GROUP, VERSION, JOBS)
async def jobs(body: kopf.Body, name: str, **_: Any) -> dict[str, Object]:
    return {name: body}


@kopf.index(GROUP, VERSION, NODES)
async def nodes(body: kopf.Body, name: str, **_: Any) -> dict[str, Object]:
    return {name: body}


@kopf.index(GROUP, VERSION, TRAININGS)
async def trainings(body: kopf.Body, name: str, **_: Any) -> dict[str, Object]:
    return {name: body}


async def ask(session: aiohttp.ClientSession, method: str, url: str, body: Object | None = None) -> tuple[Any, str]:
    """The JSON of an answer (None where it has none), and what is wrong: empty where it is 200."""
    try:
        async with session.request(method, url, json=body) as answer:
            text = await answer.text()
            if answer.status != 200:
                return None, f"{url} answered {answer.status}: {text.strip()[:200]}".rstrip(": ")
            return _result(text), ""
    except TimeoutError:
        return None, f"{url} did not answer within {TIMEOUT:g} s"
    except (aiohttp.ClientError, ValueError) as error:
        return None, f"{url}: {error}"


async def probe_node(session: aiohttp.ClientSession, node: Object) -> None:
    """One heartbeat of a node."""
    meta = node["metadata"]
    url = meta.get("annotations", {}).get(HEALTH_URL)
    problem = f"the annotation {HEALTH_URL} is missing"
    if url:
        _, problem = await ask(session, "GET", url)
    await api.write_status(NODES, meta["name"], node_status(problem, now()))


async def drive_trainer(scored: kopf.Index[str, Object], session: aiohttp.ClientSession, training: Object) -> None:
    """Gives a trainer its configuration and the samples that it lacks, and writes what it answers."""
    name, wanted = training["metadata"]["name"], configuration_of(training)
    trainer = TRAINER.format(name=name, namespace=SETTINGS.namespace)
    answer, problem = await ask(session, "GET", f"{trainer}/status")
    if answer is not None and answer.get("training") != wanted:
        answer, problem = await ask(session, "PUT", f"{trainer}/training", wanted)
    for sample in untold((job for each in scored.values() for job in each), answer) if answer is not None else ():
        answer, problem = await ask(session, "POST", f"{trainer}/samples", sample)
        if answer is None:
            break
    status = unreachable(training, problem) if answer is None else training_status(answer)
    await api.write_status(TRAININGS, name, status)


async def ask_forever(index: kopf.Index[str, Object], one: Asking) -> None:
    """Asks all of an index, each period. A failure of one is logged; it stops neither the others nor the next round."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(trust_env=True, timeout=timeout) as session:
        while True:
            every = [item for items in index.values() for item in items]
            for problem in await asyncio.gather(*(one(session, item) for item in every), return_exceptions=True):
                if problem is not None:
                    LOG.error("%s", problem)
            await asyncio.sleep(SETTINGS.period)


# The process.


async def healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def readyz(_: web.Request) -> web.Response:
    problem = await api.may_list()
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **indices: Any) -> None:
    """The settings of kopf, both probes, and the two loops."""
    settings.posting.enabled = False
    settings.scanning.disabled = True  # the namespace is given, so no right on the cluster is needed
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    memo.runner = web.AppRunner(application, access_log=None)
    await memo.runner.setup()
    await web.TCPSite(memo.runner, SETTINGS.address, SETTINGS.port).start()
    drive = functools.partial(drive_trainer, indices["jobs"])
    loops = (ask_forever(indices["nodes"], probe_node), ask_forever(indices["trainings"], drive))
    memo.loops = [asyncio.create_task(loop) for loop in loops]


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    for loop in memo.loops:
        loop.cancel()
    await memo.runner.cleanup()


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGTERM."""
    parser = argparse.ArgumentParser(description="The operator of the sample suite.")
    parser.add_argument("--namespace", default=SETTINGS.namespace)
    parser.add_argument("--worker-image", required=True)
    parser.add_argument("--address", default=SETTINGS.address)
    parser.add_argument("--port", type=int, default=SETTINGS.port)
    parser.add_argument("--period", type=float, default=SETTINGS.period, help="seconds between two rounds of probes")
    parser.add_argument(
        "--tolerate", action="append", default=[], help="key of a taint that workers tolerate; repeatable"
    )
    parser.parse_args(arguments, namespace=SETTINGS)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    os.environ.setdefault("LOGNAME", "scoring-operator")  # kopf asks for a user, who has no name in a container
    kopf.run(standalone=True, namespaces=[SETTINGS.namespace])
    return 0


if __name__ == "__main__":
    sys.exit(main())
