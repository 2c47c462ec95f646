"""The works that a description of a result cites, and their BibTeX entries."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent


@dataclass(frozen=True)
class Work:
    """Something to cite.

    Parameters
    ----------
    cited : str
        Authors and year, as they stand in parentheses in a text.
    entry : str
        BibTeX, without the line that holds the key.
    kind : str
        Kind of the BibTeX entry.
    """

    cited: str
    entry: str
    kind: str = "article"


class Bibliography:
    """Cites works in a text, and remembers which.

    Parameters
    ----------
    software : Work
        The package itself, whose version belongs to the result.
    """

    def __init__(self, software: Work) -> None:
        self._works = {"napari-dip": software, **WORKS}
        self._keys: dict[str, None] = {}

    def __call__(self, *keys: str) -> str:
        """Return the works in parentheses, such as ``(Ulyanov et al. 2020)``."""
        self._keys |= dict.fromkeys(keys)
        return f"({'; '.join(self._works[key].cited for key in keys)})"

    @property
    def bibtex(self) -> str:
        """The entries of all works that were cited, in this order."""
        return "\n".join(self._entries())

    def _entries(self) -> Iterator[str]:
        for key in self._keys:
            work = self._works[key]
            lines = dedent(work.entry).strip().splitlines()
            fields = "\n".join(f"  {line}" for line in lines)
            yield f"@{work.kind}{{{key},\n{fields}\n}}\n"


WORKS: dict[str, Work] = {
    "buades2005": Work(
        "Buades et al. 2005",
        """
        author = {Buades, Antoni and Coll, Bartomeu and Morel, Jean-Michel},
        title = {A Non-Local Algorithm for Image Denoising},
        booktitle = {IEEE Computer Society Conference on Computer Vision and Pattern Recognition (CVPR)},
        volume = {2},
        pages = {60--65},
        year = {2005},
        doi = {10.1109/CVPR.2005.38},
        """,
        "inproceedings",
    ),
    "chambolle2004": Work(
        "Chambolle 2004",
        """
        author = {Chambolle, Antonin},
        title = {An Algorithm for Total Variation Minimization and Applications},
        journal = {Journal of Mathematical Imaging and Vision},
        volume = {20},
        pages = {89--97},
        year = {2004},
        doi = {10.1023/B:JMIV.0000011325.36760.1e},
        """,
    ),
    "delbracio2021": Work(
        "Delbracio et al. 2021",
        """
        author = {Delbracio, Mauricio and Garcia-Dorado, Ignacio and Choi, Sungjoon and Kelly, Damien and
                  Milanfar, Peyman},
        title = {Polyblur: Removing Mild Blur by Polynomial Reblurring},
        journal = {IEEE Transactions on Computational Imaging},
        volume = {7},
        pages = {837--848},
        year = {2021},
        doi = {10.1109/TCI.2021.3100998},
        """,
    ),
    "facciolo2017": Work(
        "Facciolo et al. 2017",
        """
        author = {Facciolo, Gabriele and Pierazzo, Nicola and Morel, Jean-Michel},
        title = {Conservative Scale Recomposition for Multiscale Denoising (The Devil is in the High Frequency
            Detail)},
        journal = {SIAM Journal on Imaging Sciences},
        volume = {10},
        number = {3},
        pages = {1603--1626},
        year = {2017},
        """,
    ),
    "guizar2008": Work(
        "Guizar-Sicairos et al. 2008",
        """
        author = {Guizar-Sicairos, Manuel and Thurman, Samuel T. and Fienup, James R.},
        title = {Efficient Subpixel Image Registration Algorithms},
        journal = {Optics Letters},
        volume = {33},
        number = {2},
        pages = {156--158},
        year = {2008},
        doi = {10.1364/OL.33.000156},
        """,
    ),
    "harris2020": Work(
        "Harris et al. 2020",
        """
        author = {Harris, Charles R. and Millman, K. Jarrod and van der Walt, St{\\'e}fan J. and others},
        title = {Array Programming with {NumPy}},
        journal = {Nature},
        volume = {585},
        pages = {357--362},
        year = {2020},
        doi = {10.1038/s41586-020-2649-2},
        """,
    ),
    "heckel2019": Work(
        "Heckel and Hand 2019",
        """
        author = {Heckel, Reinhard and Hand, Paul},
        title = {Deep Decoder: Concise Image Representations from Untrained Non-Convolutional Networks},
        booktitle = {International Conference on Learning Representations (ICLR)},
        year = {2019},
        """,
        "inproceedings",
    ),
    "hunt1973": Work(
        "Hunt 1973",
        """
        author = {Hunt, Bobby R.},
        title = {The Application of Constrained Least Squares Estimation to Image Restoration by Digital
                 Computer},
        journal = {IEEE Transactions on Computers},
        volume = {C-22},
        number = {9},
        pages = {805--812},
        year = {1973},
        doi = {10.1109/TC.1973.5009169},
        """,
    ),
    "immerkaer1996": Work(
        "Immerkær 1996",
        """
        author = {Immerk{\\ae}r, John},
        title = {Fast Noise Variance Estimation},
        journal = {Computer Vision and Image Understanding},
        volume = {64},
        number = {2},
        pages = {300--302},
        year = {1996},
        doi = {10.1006/cviu.1996.0060},
        """,
    ),
    "janesick1987": Work(
        "Janesick et al. 1987",
        """
        author = {Janesick, James R. and Klaasen, Kenneth P. and Elliott, Tom},
        title = {Charge-Coupled-Device Charge-Collection Efficiency and the Photon-Transfer Technique},
        journal = {Optical Engineering},
        volume = {26},
        number = {10},
        pages = {972--980},
        year = {1987},
        doi = {10.1117/12.7974183},
        """,
    ),
    "kim2016": Work(
        "Kim et al. 2016",
        """
        author = {Kim, Jiwon and Lee, Jung Kwon and Lee, Kyoung Mu},
        title = {Accurate Image Super-Resolution Using Very Deep Convolutional Networks},
        booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
        pages = {1646--1654},
        year = {2016},
        doi = {10.1109/CVPR.2016.182},
        """,
        "inproceedings",
    ),
    "kingma2015": Work(
        "Kingma and Ba 2015",
        """
        author = {Kingma, Diederik P. and Ba, Jimmy},
        title = {Adam: A Method for Stochastic Optimization},
        booktitle = {International Conference on Learning Representations (ICLR)},
        year = {2015},
        """,
        "inproceedings",
    ),
    "lebrun2013": Work(
        "Lebrun et al. 2013",
        """
        author = {Lebrun, Marc and Buades, Antoni and Morel, Jean-Michel},
        title = {A Nonlocal {Bayesian} Image Denoising Algorithm},
        journal = {SIAM Journal on Imaging Sciences},
        volume = {6},
        number = {3},
        pages = {1665--1688},
        year = {2013},
        doi = {10.1137/120874989},
        """,
    ),
    "lucas2019": Work(
        "Lucas et al. 2019",
        """
        author = {Lucas, Alice and Lopez-Tapia, Santiago and Molina, Rafael and Katsaggelos, Aggelos K.},
        title = {Efficient Fine-Tuning of Neural Networks for Artifact Removal in Deep Learning for Inverse
                 Imaging Problems},
        booktitle = {IEEE International Conference on Image Processing (ICIP)},
        year = {2019},
        """,
        "inproceedings",
    ),
    "lucy1974": Work(
        "Lucy 1974",
        """
        author = {Lucy, Leon B.},
        title = {An Iterative Technique for the Rectification of Observed Distributions},
        journal = {The Astronomical Journal},
        volume = {79},
        pages = {745--754},
        year = {1974},
        doi = {10.1086/111605},
        """,
    ),
    "makitalo2011": Work(
        "Mäkitalo and Foi 2011",
        """
        author = {M{\\"a}kitalo, Markku and Foi, Alessandro},
        title = {A Closed-Form Approximation of the Exact Unbiased Inverse of the {Anscombe}
                 Variance-Stabilizing Transformation},
        journal = {IEEE Transactions on Image Processing},
        volume = {20},
        number = {9},
        pages = {2697--2698},
        year = {2011},
        doi = {10.1109/TIP.2011.2121085},
        """,
    ),
    "makitalo2013": Work(
        "Mäkitalo and Foi 2013",
        """
        author = {M{\\"a}kitalo, Markku and Foi, Alessandro},
        title = {Optimal Inversion of the Generalized {Anscombe} Transformation for {Poisson--Gaussian}
                 Noise},
        journal = {IEEE Transactions on Image Processing},
        volume = {22},
        number = {1},
        pages = {91--103},
        year = {2013},
        doi = {10.1109/TIP.2012.2202675},
        """,
    ),
    "moffat1969": Work(
        "Moffat 1969",
        """
        author = {Moffat, Anthony F. J.},
        title = {A Theoretical Investigation of Focal Stellar Images in the Photographic Emulsion and
                 Application to Photographic Photometry},
        journal = {Astronomy and Astrophysics},
        volume = {3},
        pages = {455--461},
        year = {1969},
        """,
    ),
    "oliveira2024": Work(
        "Oliveira et al. 2024",
        """
        author = {Oliveira, Natalia L. and Lei, Jing and Tibshirani, Ryan J.},
        title = {Unbiased Risk Estimation in the Normal Means Problem via Coupled Bootstrap Techniques},
        journal = {Electronic Journal of Statistics},
        volume = {18},
        year = {2024},
        eprint = {2111.09447},
        archiveprefix = {arXiv},
        """,
    ),
    "orieux2010": Work(
        "Orieux et al. 2010",
        """
        author = {Orieux, Fran{\\c{c}}ois and Giovannelli, Jean-Fran{\\c{c}}ois and Rodet, Thomas},
        title = {Bayesian Estimation of Regularization and Point Spread Function Parameters for
                 {Wiener--Hunt} Deconvolution},
        journal = {Journal of the Optical Society of America A},
        volume = {27},
        number = {7},
        pages = {1593--1607},
        year = {2010},
        doi = {10.1364/JOSAA.27.001593},
        """,
    ),
    "paszke2019": Work(
        "Paszke et al. 2019",
        """
        author = {Paszke, Adam and Gross, Sam and Massa, Francisco and others},
        title = {{PyTorch}: An Imperative Style, High-Performance Deep Learning Library},
        booktitle = {Advances in Neural Information Processing Systems},
        volume = {32},
        year = {2019},
        """,
        "inproceedings",
    ),
    "ramani2008": Work(
        "Ramani et al. 2008",
        """
        author = {Ramani, Sathish and Blu, Thierry and Unser, Michael},
        title = {{Monte-Carlo} {SURE}: A Black-Box Optimization of Regularization Parameters for General
                 Denoising Algorithms},
        journal = {IEEE Transactions on Image Processing},
        volume = {17},
        number = {9},
        pages = {1540--1554},
        year = {2008},
        doi = {10.1109/TIP.2008.2001404},
        """,
    ),
    "richardson1972": Work(
        "Richardson 1972",
        """
        author = {Richardson, William Hadley},
        title = {{Bayesian}-Based Iterative Method of Image Restoration},
        journal = {Journal of the Optical Society of America},
        volume = {62},
        number = {1},
        pages = {55--59},
        year = {1972},
        doi = {10.1364/JOSA.62.000055},
        """,
    ),
    "rudin1992": Work(
        "Rudin et al. 1992",
        """
        author = {Rudin, Leonid I. and Osher, Stanley and Fatemi, Emad},
        title = {Nonlinear Total Variation Based Noise Removal Algorithms},
        journal = {Physica D: Nonlinear Phenomena},
        volume = {60},
        number = {1--4},
        pages = {259--268},
        year = {1992},
        doi = {10.1016/0167-2789(92)90242-F},
        """,
    ),
    "schmied2024": Work(
        "Schmied et al. 2024",
        """
        author = {Schmied, Christopher and Nelson, Michael S. and Avilov, Sergiy and others},
        title = {Community-Developed Checklists for Publishing Images and Image Analyses},
        journal = {Nature Methods},
        volume = {21},
        pages = {170--181},
        year = {2024},
        doi = {10.1038/s41592-023-01987-9},
        """,
    ),
    "shocher2018": Work(
        "Shocher et al. 2018",
        """
        author = {Shocher, Assaf and Cohen, Nadav and Irani, Michal},
        title = {``{Zero-Shot}'' Super-Resolution Using Deep Internal Learning},
        booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
        pages = {3118--3126},
        year = {2018},
        doi = {10.1109/CVPR.2018.00329},
        """,
        "inproceedings",
    ),
    "snyder1985": Work(
        "Snyder and Miller 1985",
        """
        author = {Snyder, Donald L. and Miller, Michael I.},
        title = {The Use of Sieves to Stabilize Images Produced with the {EM} Algorithm for Emission
                 Tomography},
        journal = {IEEE Transactions on Nuclear Science},
        volume = {32},
        number = {5},
        pages = {3864--3872},
        year = {1985},
        doi = {10.1109/TNS.1985.4334521},
        """,
    ),
    "snyder1993": Work(
        "Snyder et al. 1993",
        """
        author = {Snyder, Donald L. and Hammoud, Abed M. and White, Richard L.},
        title = {Image Recovery from Data Acquired with a Charge-Coupled-Device Camera},
        journal = {Journal of the Optical Society of America A},
        volume = {10},
        number = {5},
        pages = {1014--1023},
        year = {1993},
        doi = {10.1364/JOSAA.10.001014},
        """,
    ),
    "starck1995": Work(
        "Starck et al. 1995",
        """
        author = {Starck, Jean-Luc and Murtagh, Fionn and Bijaoui, Albert},
        title = {Multiresolution Support Applied to Image Filtering and Restoration},
        journal = {Graphical Models and Image Processing},
        volume = {57},
        number = {5},
        pages = {420--431},
        year = {1995},
        doi = {10.1006/gmip.1995.1036},
        """,
    ),
    "timofte2016": Work(
        "Timofte et al. 2016",
        """
        author = {Timofte, Radu and Rothe, Rasmus and Van Gool, Luc},
        title = {Seven Ways to Improve Example-Based Single Image Super Resolution},
        booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
        pages = {1865--1873},
        year = {2016},
        doi = {10.1109/CVPR.2016.206},
        """,
        "inproceedings",
    ),
    "tomasi1998": Work(
        "Tomasi and Manduchi 1998",
        """
        author = {Tomasi, Carlo and Manduchi, Roberto},
        title = {Bilateral Filtering for Gray and Color Images},
        booktitle = {Sixth International Conference on Computer Vision (ICCV)},
        pages = {839--846},
        year = {1998},
        doi = {10.1109/ICCV.1998.710815},
        """,
        "inproceedings",
    ),
    "ulyanov2020": Work(
        "Ulyanov et al. 2020",
        """
        author = {Ulyanov, Dmitry and Vedaldi, Andrea and Lempitsky, Victor},
        title = {Deep Image Prior},
        journal = {International Journal of Computer Vision},
        volume = {128},
        number = {7},
        pages = {1867--1888},
        year = {2020},
        doi = {10.1007/s11263-020-01303-4},
        """,
    ),
    "vanderwalt2014": Work(
        "van der Walt et al. 2014",
        """
        author = {van der Walt, St{\\'e}fan and Sch{\\"o}nberger, Johannes L. and Nunez-Iglesias, Juan and
                  others},
        title = {scikit-image: Image Processing in {Python}},
        journal = {PeerJ},
        volume = {2},
        pages = {e453},
        year = {2014},
        doi = {10.7717/peerj.453},
        """,
    ),
    "wang2021": Work(
        "Wang et al. 2021",
        """
        author = {Wang, Xintao and Xie, Liangbin and Dong, Chao and Shan, Ying},
        title = {{Real-ESRGAN}: Training Real-World Blind Super-Resolution with Pure Synthetic Data},
        booktitle = {IEEE/CVF International Conference on Computer Vision Workshops (ICCVW)},
        pages = {1905--1914},
        year = {2021},
        doi = {10.1109/ICCVW54120.2021.00217},
        """,
        "inproceedings",
    ),
    "wang2023": Work(
        "Wang et al. 2023",
        """
        author = {Wang, Hengkang and Li, Taihui and Zhuang, Zhong and Chen, Tiancong and Liang, Hengyue and
                  Sun, Ju},
        title = {Early Stopping for Deep Image Prior},
        journal = {Transactions on Machine Learning Research},
        year = {2023},
        """,
    ),
    "wronski2019": Work(
        "Wronski et al. 2019",
        """
        author = {Wronski, Bartlomiej and Garcia-Dorado, Ignacio and Ernst, Manfred and Kelly, Damien and
                  Krainin, Michael and Liang, Chia-Kai and Levoy, Marc and Milanfar, Peyman},
        title = {Handheld Multi-Frame Super-Resolution},
        journal = {ACM Transactions on Graphics},
        volume = {38},
        number = {4},
        pages = {28:1--28:18},
        year = {2019},
        doi = {10.1145/3306346.3323024},
        """,
    ),
    "wronski2021": Work(
        "Wronski 2021",
        """
        author = {Wronski, Bartlomiej},
        title = {Procedural Kernel Networks},
        year = {2021},
        eprint = {2112.09318},
        archiveprefix = {arXiv},
        doi = {10.48550/arXiv.2112.09318},
        """,
        "misc",
    ),
    "yu2012": Work(
        "Yu et al. 2012",
        """
        author = {Yu, Guoshen and Sapiro, Guillermo and Mallat, St{\\'e}phane},
        title = {Solving Inverse Problems with Piecewise Linear Estimators: From {Gaussian} Mixture Models to
                 Structured Sparsity},
        journal = {IEEE Transactions on Image Processing},
        volume = {21},
        number = {5},
        pages = {2481--2499},
        year = {2012},
        doi = {10.1109/TIP.2011.2176743},
        """,
    ),
    "zhang2017": Work(
        "Zhang et al. 2017",
        """
        author = {Zhang, Kai and Zuo, Wangmeng and Chen, Yunjin and Meng, Deyu and Zhang, Lei},
        title = {Beyond a {Gaussian} Denoiser: Residual Learning of Deep {CNN} for Image Denoising},
        journal = {IEEE Transactions on Image Processing},
        volume = {26},
        number = {7},
        pages = {3142--3155},
        year = {2017},
        doi = {10.1109/TIP.2017.2662206},
        """,
    ),
    "zhang2022": Work(
        "Zhang et al. 2022",
        """
        author = {Zhang, Kai and Li, Yawei and Zuo, Wangmeng and Zhang, Lei and Van Gool, Luc and Timofte,
            Radu},
        title = {Plug-and-Play Image Restoration with Deep Denoiser Prior},
        journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
        volume = {44},
        number = {10},
        pages = {6360--6376},
        year = {2022},
        """,
    ),
}
