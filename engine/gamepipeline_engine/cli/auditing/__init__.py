"""What ``gamepipeline audit`` does.

report   what was checked, and what was found
stored   ``verify`` over the streams
offline  ``verify`` over an export
export   makes one
rebuild  what is derived, made anew and compared
asking   a question before something is thrown away
"""
