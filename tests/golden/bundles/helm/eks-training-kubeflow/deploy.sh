#!/usr/bin/env bash
# Installs recipe eks-training-kubeflow: one Helm release for each folder, in the order of their numbers.
# The cluster is that of KUBECONFIG. Arguments go to every call of helm: ./deploy.sh --wait, ./deploy.sh --dry-run
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" >/dev/null

arguments=("$@")

release() { # FOLDER RELEASE NAMESPACE CHART [OPTION...]
  local folder=$1 release=$2 namespace=$3
  shift 3
  # Where the chart has its namespace, helm would make it after it has looked for what to take over.
  if [[ " $* " == *" --take-ownership "* && " ${arguments[*]-} " != *" --dry-run"* ]]; then
    kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"
  fi
  printf '== %s: release %s in namespace %s\n' "$folder" "$release" "$namespace"
  helm upgrade --install "$release" "$@" --namespace "$namespace" --create-namespace \
    --values "$folder/values.yaml" --values "$folder/cluster-values.yaml" ${arguments[@]+"${arguments[@]}"}
}

release 001-certificates certificates certificates ./001-certificates/chart
release 002-tuning tuning tuning ./002-tuning
release 003-gpu-operator-pre gpu-operator-pre gpu-operator ./003-gpu-operator-pre --take-ownership
release 004-gpu-operator gpu-operator gpu-operator gpu-operator --repo https://charts.example.com/nvidia --version v26.3.1
release 005-gpu-operator-post gpu-operator-post gpu-operator ./005-gpu-operator-post
release 006-scheduler scheduler scheduler oci://registry.example.com/charts/gang-scheduler --version 0.14.1
