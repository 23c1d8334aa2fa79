{{/* SPDX-License-Identifier: GPL-3.0-or-later */}}

{{/* A Service's name has no dot and begins with a letter (RFC 1035); a release's
need not be so. */}}
{{- define "librapi.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $full = .Release.Name -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]" $full) -}}
{{- $full = printf "r%s" $full -}}
{{- end -}}
{{- regexReplaceAll "-+$" ($full | replace "." "-" | trunc 52) "" -}}
{{- end -}}

{{- define "librapi.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "librapi.labels" -}}
{{ include "librapi.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Of the backup's pods, which are not the Service's. */}}
{{- define "librapi.backupSelector" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: backup
app.kubernetes.io/part-of: {{ include "librapi.fullname" . | quote }}
{{- end -}}

{{- define "librapi.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "librapi.claim" -}}
{{- default (include "librapi.fullname" .) .Values.persistence.existingClaim -}}
{{- end -}}

{{- define "librapi.backupClaim" -}}
{{- default (printf "%s-backup" (include "librapi.fullname" .)) .Values.backup.existingClaim -}}
{{- end -}}

{{- define "librapi.secret" -}}
{{- default (include "librapi.fullname" .) .Values.access.existingSecret -}}
{{- end -}}

{{/* Unless it is given, a quarter of what the volume for uploads holds. */}}
{{- define "librapi.importMaxBytes" -}}
{{- $size := .Values.web.uploadSize -}}
{{- $unit := get (dict "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776) (regexFind "[MGT]i" $size) -}}
{{- $quarter := div (mul $unit (regexFind "^[0-9]+" $size)) 4 -}}
{{- if kindIs "invalid" .Values.web.importMaxBytes -}}
{{- $quarter -}}
{{- else -}}
{{- printf "%.0f" (float64 .Values.web.importMaxBytes) -}}
{{- end -}}
{{- end -}}

{{/* What pod security "restricted" asks of a container. */}}
{{- define "librapi.confined" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end -}}

{{- define "librapi.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What the schema can't say in a sentence. */}}
{{- define "librapi.validate" -}}
{{- $settings := .Values.settings -}}
{{- $defaults := .Files.Get "defaults.json" | fromJson -}}
{{- $engine := default $defaults.engine $settings.engine -}}
{{- if and (gt (int .Values.replicas) 1) (has $engine (list "gdbm" "memory")) -}}
{{- fail (printf "replicas is %d, but engine %s has one process own its data: replicas must be 1 (or 0 to stop)" (int .Values.replicas) $engine) -}}
{{- end -}}
{{- if .Values.autoscaling -}}
{{- fail (printf "autoscaling is set, but engine %s has one process own its data and can't be scaled out; give app.resources more instead" $engine) -}}
{{- end -}}
{{- if and (eq $engine "memory") .Values.persistence.enabled -}}
{{- fail "engine memory keeps nothing: set persistence.enabled=false, or another engine" -}}
{{- end -}}
{{- /* librapi.conf(5), VALUES THAT GO TOGETHER; a number may come as a float. */}}
{{- if eq $engine "memory" -}}
{{- $workers := $settings.workers -}}
{{- if and (not (kindIs "invalid" $workers)) (ne (int $workers) 1) -}}
{{- fail (printf "settings.workers must be 1, or be left out, not %d, when engine is memory: its data is in one process" (int $workers)) -}}
{{- end -}}
{{- end -}}
{{- $value := int64 (default (get $defaults "value-max-bytes") (get $settings "value-max-bytes")) -}}
{{- $segment := int64 (default (get $defaults "journal-segment-bytes") (get $settings "journal-segment-bytes")) -}}
{{- $journal := int64 (default (get $defaults "journal-max-bytes") (get $settings "journal-max-bytes")) -}}
{{- if lt $segment (mul 2 $value) -}}
{{- fail (printf "settings.journal-segment-bytes must be at least %d, twice value-max-bytes, not %d" (mul 2 $value) $segment) -}}
{{- end -}}
{{- if lt $journal (mul 2 $segment) -}}
{{- fail (printf "settings.journal-max-bytes must be at least %d, twice journal-segment-bytes, not %d" (mul 2 $segment) $journal) -}}
{{- end -}}
{{- if gt $journal (mul 64 $segment) -}}
{{- fail (printf "settings.journal-max-bytes must be at most %d, 64 times journal-segment-bytes, not %d" (mul 64 $segment) $journal) -}}
{{- end -}}
{{- $drain := int64 (default (get $defaults "drain-timeout-ms") (get $settings "drain-timeout-ms")) -}}
{{- $grace := int64 .Values.terminationGracePeriodSeconds -}}
{{- if gt $drain (mul 1000 $grace) -}}
{{- fail (printf "settings.drain-timeout-ms is %d, but a pod that stops is killed after %d s: raise terminationGracePeriodSeconds" $drain $grace) -}}
{{- end -}}
{{- end -}}
