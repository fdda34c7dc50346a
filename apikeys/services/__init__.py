"""The one door to the stores: a function for each thing that a person or a program can do, audited.

Pages, the API and the jobs call these functions. Nothing here knows a request or a template.
"""
