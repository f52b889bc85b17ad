from .classification import ClassificationEvaluator as ClassificationEvaluator
from .embeddings import EmbeddingCollector as EmbeddingCollector
from .embeddings import Embeddings as Embeddings
from .embeddings import collect_embeddings as collect_embeddings
from .evaluation import Evaluation as Evaluation
from .evaluation import build_evaluation as build_evaluation
from .evaluator import Evaluator as Evaluator
from .metrics import METRICS as METRICS
