"""What ``gamepipeline audit`` does.

report   what was checked, and what was found
stored   ``verify`` over the streams
offline  ``verify`` over an export
export   makes one
"""
