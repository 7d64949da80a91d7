{{/* Labels of every object: what it is, of which release, from which chart. */}}
{{- define "gpu-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "gpu-operator.selector" . }}
{{- end }}

{{/* Labels that never change in the life of a release. */}}
{{- define "gpu-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Where pods may run: the argument is the section of the values that holds nodeSelector and tolerations. */}}
{{- define "gpu-operator.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where an operand may run: its own section where that says so (an empty list counts), else what all operands share. */}}
{{- define "gpu-operator.operand" -}}
{{- $selector := .own.nodeSelector | default .shared.nodeSelector }}
{{- $tolerations := ternary .own.tolerations .shared.tolerations (kindIs "slice" .own.tolerations) }}
{{- include "gpu-operator.placement" (dict "nodeSelector" $selector "tolerations" $tolerations) }}
{{- with .shared.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
