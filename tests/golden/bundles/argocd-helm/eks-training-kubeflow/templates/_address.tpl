{{- define "bundle.url" -}}
{{ required "set repoURL to the address below which this chart is published, without the chart's name" .Values.repoURL | trimSuffix "/" }}/{{ .Chart.Name }}
{{- end }}

{{- define "bundle.revision" -}}
{{ .Values.targetRevision | default .Chart.Version }}
{{- end }}
