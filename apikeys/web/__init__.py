"""The pages about keys: views, forms, the list, and what becomes of an error there.

Their templates are in templates/apikeys/.
"""
