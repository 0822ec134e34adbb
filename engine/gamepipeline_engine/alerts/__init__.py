"""Alerts: noticing what does not happen, and telling those who should know.

delivery   webhooks: signed, retried, in order for each pipeline (``Notifier``)
watch      pipelines that stand still, pools nobody serves, a stream that fills up (``StallWatch``)
service    both, as an engine runs them
"""
